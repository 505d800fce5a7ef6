-- Put into every script after its first line.
--
-- Numbers are kept as text and made by text(): tostring writes 1.79e+15. All are below 2^53.
-- `digests` holds the digests of the last 8 seqs, newest first, each behind a byte that says its length.
-- A refusal is {word, seq, epoch, digest} of the head. All parsing and all checks come before the first write; the
-- head is written last, for scripts do not roll back.

local DIGESTS_KEPT = 8

local function text(number)
  return string.format('%.0f', number)
end

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- The digest kept for a seq; nil when none is.
local function kept_digest(digests, head_seq, seq)
  local at = 1
  for _ = 1, head_seq - seq do
    if at > #digests then return nil end
    at = at + 1 + string.byte(digests, at)
  end
  if seq > head_seq or at > #digests then return nil end
  return string.sub(digests, at + 1, at + string.byte(digests, at))
end

local function with_digest(digests, digest)
  local stop = 1
  for _ = 1, DIGESTS_KEPT - 1 do
    if stop > #digests then break end
    stop = stop + 1 + string.byte(digests, stop)
  end
  return string.char(#digest) .. digest .. string.sub(digests, 1, stop - 1)
end

local function read_head(key)
  local raw = redis.call('HMGET', key, 'epoch', 'nonce', 'seq', 'digests', 'clock', 'genesis', 'claimed', 'instance')
  if not raw[1] then return nil end
  return {
    epoch = tonumber(raw[1]), nonce = raw[2], seq = tonumber(raw[3]), digests = raw[4], clock = tonumber(raw[5]),
    genesis = raw[6], claimed = tonumber(raw[7]), instance = raw[8],
  }
end

local function answer(word, head)
  if not head then return {word, '0', '0', ''} end
  return {word, text(head.seq), text(head.epoch), kept_digest(head.digests, head.seq, head.seq) or ''}
end

-- What commit and renew refuse alike; nil when the head is ours.
local function refused(head, nonce, epoch, genesis)
  if not head or head.genesis ~= genesis then return answer('lost', head) end
  if head.nonce ~= nonce or head.epoch ~= epoch then
    return answer(head.epoch >= epoch and 'fenced' or 'behind', head)
  end
  return nil
end

-- The id of the first record with a greater seq; nil when there is none. Ids are epoch-seq and neither runs back, so
-- one look finds it within an epoch.
local function first_after(journal, seq)
  local from = '-'
  while true do
    local first = redis.call('XRANGE', journal, from, '+', 'COUNT', 1)[1]
    if not first then return nil end
    local epoch, at = string.match(first[1], '^(%d+)-(%d+)$')
    if tonumber(at) > seq then return first[1] end
    local found = redis.call('XRANGE', journal, epoch .. '-' .. text(seq + 1), epoch, 'COUNT', 1)[1]
    if found then return found[1] end
    from = '(' .. epoch .. '-18446744073709551615'
  end
end
