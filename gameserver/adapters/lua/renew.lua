#!lua flags=allow-oom
-- Keep the lease and tell the clock, without a record.
-- KEYS head owner · ARGV nonce epoch genesis lease · seq digest clock
-- 1 when done · {'fenced' | 'behind' | 'fork' | 'lost', seq, epoch, digest}
local epoch, lease = assert(tonumber(ARGV[2])), assert(tonumber(ARGV[4]))
local seq, clock = assert(tonumber(ARGV[5])), assert(tonumber(ARGV[7]))
local head = read_head(KEYS[1])
local refusal = refused(head, ARGV[1], epoch, ARGV[3])
if refusal then return refusal end
if seq > head.seq then return answer('behind', head) end
if kept_digest(head.digests, head.seq, seq) ~= ARGV[6] then return answer('fork', head) end

redis.call('SET', KEYS[2], head.instance, 'PX', text(lease))
redis.call('HSET', KEYS[1], 'clock', text(math.max(head.clock, clock)))
return 1
