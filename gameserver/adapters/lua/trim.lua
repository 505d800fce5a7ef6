#!lua flags=allow-oom
-- Delete records before a seq.
-- KEYS head journal · ARGV nonce genesis seq · how many
local head = read_head(KEYS[1])
local seq = assert(tonumber(ARGV[3]))
if not head or head.nonce ~= ARGV[1] or head.genesis ~= ARGV[2] then return 0 end
local first = first_after(KEYS[2], seq - 1)
if first then return redis.call('XTRIM', KEYS[2], 'MINID', '=', first) end
return redis.call('XTRIM', KEYS[2], 'MAXLEN', '=', 0)
