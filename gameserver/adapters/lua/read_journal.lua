#!lua flags=no-writes
-- Records after a seq, oldest first.
-- KEYS journal · ARGV seq count · entries as of XRANGE
local from = first_after(KEYS[1], assert(tonumber(ARGV[1])))
if not from then return {} end
return redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[2])
