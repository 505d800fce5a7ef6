#!lua flags=allow-oom
-- Give a shard up: any later commit is fenced.
-- KEYS head owner · ARGV nonce · 1 when it was ours, else 0
if redis.call('HGET', KEYS[1], 'nonce') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'nonce', '')
return 1
