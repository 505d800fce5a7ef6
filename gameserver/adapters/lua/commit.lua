#!lua
-- Make one record durable, with its results and the inbox entries it accounts for, and keep the lease.
-- KEYS head owner journal results inbox
-- ARGV nonce epoch genesis lease · seq previous digest clock record · count of results, results…, inbox ids…
-- 1 when done · {'duplicate' | 'fenced' | 'behind' | 'fork' | 'lost', seq, epoch, digest}
local epoch, lease = assert(tonumber(ARGV[2])), assert(tonumber(ARGV[4]))
local seq, clock = assert(tonumber(ARGV[5])), assert(tonumber(ARGV[8]))
local last_result = 10 + assert(tonumber(ARGV[10]))
for i = last_result + 1, #ARGV do
  assert(string.match(ARGV[i], '^%d+%-%d+$'), 'an inbox id has the form ms-n')
end

local head = read_head(KEYS[1])
local refusal = refused(head, ARGV[1], epoch, ARGV[3])
if refusal then return refusal end
if seq <= head.seq then
  if kept_digest(head.digests, head.seq, seq) ~= ARGV[7] then return answer('fork', head) end
  redis.call('SET', KEYS[2], head.instance, 'PX', text(lease)) -- a write, so that WAIT covers the repeat
  return answer('duplicate', head)
end
if seq > head.seq + 1 then return answer('behind', head) end
if kept_digest(head.digests, head.seq, head.seq) ~= ARGV[6] then return answer('fork', head) end

redis.call('XADD', KEYS[3], ARGV[2] .. '-' .. ARGV[5], 'm', ARGV[9])
for i = 11, last_result do
  redis.call('XADD', KEYS[4], '*', 'm', ARGV[i])
end
for i = last_result + 1, #ARGV, 1000 do
  redis.call('XDEL', KEYS[5], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('SET', KEYS[2], head.instance, 'PX', text(lease))
redis.call('HSET', KEYS[1], 'seq', ARGV[5], 'digests', with_digest(head.digests, ARGV[7]),
  'clock', text(math.max(head.clock, clock)))
return 1
