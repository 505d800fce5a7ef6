#!lua
-- Take a shard that nobody holds, or steal it from an epoch.
-- KEYS head owner · ARGV instance nonce lease steal_epoch ('' for none)
-- {'held', ms left} · {'missing'} · {'raced'} · {'claimed', epoch, nonce, seq, digests, clock, genesis, claimed}
-- A claim whose answer was lost may come again: its own nonce in the head neither holds nor races it.
local instance, nonce = ARGV[1], ARGV[2]
local lease = assert(tonumber(ARGV[3]))
local steal = ARGV[4] ~= '' and assert(tonumber(ARGV[4])) or nil
local head = read_head(KEYS[1])
local mine = head ~= nil and head.nonce == nonce
local left = redis.call('PTTL', KEYS[2])
if left ~= -2 and not steal and not mine then
  return {'held', text(math.max(left, 1))}
end
if not head then return {'missing'} end
if steal and head.epoch ~= steal and not mine then return {'raced'} end

local epoch = text(math.max(head.epoch + 1, now_us()))
redis.call('SET', KEYS[2], instance, 'PX', text(lease))
redis.call('HSET', KEYS[1], 'epoch', epoch, 'nonce', nonce, 'claimed', epoch, 'instance', instance)
return {'claimed', epoch, nonce, text(head.seq), head.digests, text(head.clock), head.genesis, epoch}
