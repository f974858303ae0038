-- Keep a verified example, one for each plan, the newest last. ARGV: prefix, id of the plan, what is sealed, the most kept.
local key, id = ARGV[1] .. 'examples', ARGV[2]
for _, kept in ipairs(redis.call('ZRANGE', key, 0, -1)) do
  if string.sub(kept, 1, #id) == id then
    redis.call('ZREM', key, kept)
  end
end
local time = redis.call('TIME')
redis.call('ZADD', key, time[1] * 1000000 + time[2], id .. ARGV[3])
redis.call('ZREMRANGEBYRANK', key, 0, -ARGV[4] - 1)
return 1
