#!lua
-- Create the head of a shard that has none.
-- KEYS head owner · ARGV instance nonce lease genesis
-- {'raced'} · {'claimed', epoch, nonce, seq, digests, clock, genesis, claimed}
local instance, nonce, genesis = ARGV[1], ARGV[2], ARGV[4]
local lease = assert(tonumber(ARGV[3]))
if redis.call('EXISTS', KEYS[1]) == 1 then return {'raced'} end

local epoch = text(now_us())
local digests = string.char(0)
redis.call('SET', KEYS[2], instance, 'PX', text(lease))
redis.call('HSET', KEYS[1], 'epoch', epoch, 'nonce', nonce, 'seq', '0', 'digests', digests, 'clock', '0',
  'genesis', genesis, 'claimed', '0', 'instance', instance)
return {'claimed', epoch, nonce, '0', digests, '0', genesis, '0'}
