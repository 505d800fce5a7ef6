#!lua
-- Give back what the store lost: the records between its head and the owner's last confirmed one.
-- KEYS head owner journal results inbox
-- ARGV nonce epoch genesis lease · instance claimed clock · seq and digest at which the owner's memory begins ·
--      count of records, then for each: seq digest record, count of results, results…, count of ids, inbox ids…
-- 1 when done · {'duplicate' | 'fenced' | 'behind' | 'fork' | 'lost', seq, epoch, digest}
local nonce, genesis, instance = ARGV[1], ARGV[3], ARGV[5]
local epoch, lease, claimed = assert(tonumber(ARGV[2])), assert(tonumber(ARGV[4])), assert(tonumber(ARGV[6]))
local clock, base = assert(tonumber(ARGV[7])), assert(tonumber(ARGV[8]))

local records, at = {}, 11
local function take()
  local value = assert(ARGV[at], 'an argument is missing')
  at = at + 1
  return value
end
for n = 1, assert(tonumber(ARGV[10])) do
  local record = {seq = take(), digest = take(), body = take(), results = {}, consumed = {}}
  assert(tonumber(record.seq) == base + n, 'records follow each other')
  for i = 1, assert(tonumber(take())) do record.results[i] = take() end
  for i = 1, assert(tonumber(take())) do
    record.consumed[i] = take()
    assert(string.match(record.consumed[i], '^%d+%-%d+$'), 'an inbox id has the form ms-n')
  end
  records[n] = record
end
assert(at == #ARGV + 1, 'there are too many arguments')

local head = read_head(KEYS[1])
if not head or head.genesis ~= genesis then return answer('lost', head) end
if head.epoch > epoch or (head.epoch == epoch and head.nonce ~= nonce) then return answer('fenced', head) end
if head.seq < base then return answer('behind', head) end
local known = {[base] = ARGV[9]}
for n, record in ipairs(records) do known[base + n] = record.digest end
if known[head.seq] ~= kept_digest(head.digests, head.seq, head.seq) then return answer('fork', head) end

local digests, last = head.digests, head.seq
for n = head.seq - base + 1, #records do
  local record = records[n]
  redis.call('XADD', KEYS[3], text(epoch) .. '-' .. record.seq, 'm', record.body)
  digests, last = with_digest(digests, record.digest), base + n
end
for n, record in ipairs(records) do
  for _, id in ipairs(record.consumed) do redis.call('XDEL', KEYS[5], id) end
  if base + n > head.seq then
    for _, result in ipairs(record.results) do redis.call('XADD', KEYS[4], '*', 'm', result) end
  end
end
redis.call('SET', KEYS[2], instance, 'PX', text(lease))
redis.call('HSET', KEYS[1], 'epoch', text(epoch), 'nonce', nonce, 'instance', instance, 'seq', text(last),
  'digests', digests, 'clock', text(math.max(head.clock, clock)), 'claimed', text(math.max(head.claimed, claimed)))
return 1
