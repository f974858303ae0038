-- Keep a plan (or a pointer to one, or a refusal), log the change, and give the lease back if it is still ours.
-- ARGV[1] is JSON: prefix, template, pointer, ttl, lease, request, day, layer; with a new plan also id, entry, cost, log_size.
local asked = cjson.decode(ARGV[1])
local prefix = asked.prefix
local now = tonumber(redis.call('TIME')[1])
redis.call('SET', prefix .. 'pointer:' .. asked.template, asked.pointer, 'EX', asked.ttl)
if asked.id then
  local plan = prefix .. 'plan:' .. asked.id
  redis.call('DEL', plan)
  redis.call('HSET', plan, 'entry', asked.entry, 'created', now, 'used', now, 'uses', 0, 'cost', asked.cost)
  redis.call('EXPIRE', plan, asked.ttl)
  local sequence = redis.call('INCR', prefix .. 'sequence')
  redis.call('ZADD', prefix .. 'log', sequence, asked.id)
  redis.call('ZREMRANGEBYRANK', prefix .. 'log', 0, -asked.log_size - 1)
end
if asked.layer then
  redis.call('HINCRBY', prefix .. 'stats:' .. asked.day, asked.layer, 1)
end
if asked.lease ~= '' and redis.call('GET', asked.lease) == asked.request then
  redis.call('DEL', asked.lease)
end
return 1
