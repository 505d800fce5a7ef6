#!lua flags=allow-oom
-- Delete records beyond a seq: they never were confirmed.
-- KEYS head journal · ARGV nonce genesis seq · how many
local head = read_head(KEYS[1])
local seq = assert(tonumber(ARGV[3]))
if not head or head.nonce ~= ARGV[1] or head.genesis ~= ARGV[2] then return 0 end
local dropped = 0
while true do
  local from = first_after(KEYS[2], seq)
  if not from then return dropped end
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 64)) do
    dropped = dropped + redis.call('XDEL', KEYS[2], entry[1])
  end
end
