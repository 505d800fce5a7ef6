#!lua
-- Found a shard again from its owner's memory: the pieces stand in a new journal, this makes it the journal.
-- KEYS head owner new_journal
-- ARGV nonce instance lease · genesis, claimed (the epoch of the owner's last claim), seq, clock · count of pieces,
--      digests of the last 8 · what a journal's key begins with · the owner's epoch until now (the pieces')
-- {'raced'} · {'missing'} (not all pieces are there) · {'claimed', epoch, nonce, seq, digests, clock, genesis, claimed}
-- So the later rightful owner may replace an earlier re-founding, never the reverse. An owner that founded the shard
-- (claimed 0) takes the epoch of that founding for its claim: two such owners never take turns, and who claimed after
-- it still is the later one.
-- Repeated after a lost answer, it finds its own nonce and goes on.
local DAY_MS = 24 * 60 * 60 * 1000
local nonce, instance, genesis, digests = ARGV[1], ARGV[2], ARGV[4], ARGV[9]
local lease, claimed, seq = assert(tonumber(ARGV[3])), assert(tonumber(ARGV[5])), assert(tonumber(ARGV[6]))
local clock, pieces = assert(tonumber(ARGV[7])), assert(tonumber(ARGV[8]))
local head = read_head(KEYS[1])
if head and head.claimed > claimed and head.nonce ~= nonce then return {'raced'} end
if redis.call('XLEN', KEYS[3]) ~= pieces then return {'missing'} end

local epoch = math.max(now_us(), assert(tonumber(ARGV[11])) + 1)
if head then
  epoch = math.max(epoch, head.epoch + 1)
  clock = math.max(clock, head.clock)
  if head.genesis ~= genesis then redis.call('PEXPIRE', ARGV[10] .. head.genesis, DAY_MS) end
end
if claimed == 0 then claimed = assert(tonumber(ARGV[11])) end
redis.call('PERSIST', KEYS[3])
redis.call('SET', KEYS[2], instance, 'PX', text(lease))
redis.call('HSET', KEYS[1], 'epoch', text(epoch), 'nonce', nonce, 'seq', text(seq), 'digests', digests,
  'clock', text(clock), 'genesis', genesis, 'claimed', text(claimed), 'instance', instance)
return {'claimed', text(epoch), nonce, text(seq), digests, text(clock), genesis, text(claimed)}
