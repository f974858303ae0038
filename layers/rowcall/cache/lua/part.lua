-- Two templates do not mean the same: the alias goes, and its plan is stricter by more than the alias had to spare
-- (see adopt.lua), so that the same two never meet again. ARGV: prefix, key of the alias, id of the plan, step.
local prefix, key, id = ARGV[1], ARGV[2], ARGV[3]
local plan, alias = prefix .. 'plan:' .. id, 'alias:' .. key
local kept = redis.call('HMGET', plan, 'created', alias, 'stricter')
redis.call('DEL', prefix .. 'pointer:' .. key)
if not kept[1] then
  return 0
end
-- An alias that was not written down leaves no margin at all.
local stricter = math.max(tonumber(kept[3] or 0), tonumber(kept[2] or 1) + tonumber(ARGV[4]))
redis.call('HDEL', plan, alias)
redis.call('HSET', plan, 'stricter', string.format('%.9f', stricter))
for _, example in ipairs(redis.call('ZRANGE', prefix .. 'examples', 0, -1)) do
  if string.sub(example, 1, #id) == id then
    redis.call('ZREM', prefix .. 'examples', example)
  end
end
redis.call('ZADD', prefix .. 'log', redis.call('INCR', prefix .. 'sequence'), id)
return 1
