-- Keep a plan or a refusal, log the change, and give the lease back if it is still ours.
-- ARGV[1] is JSON: prefix, template, pointer, ttl, lease, request; with a plan also id, fields (of its hash), log_size,
-- scope, counters, question, missed (its key) and missed_ttl.
local asked = cjson.decode(ARGV[1])
local prefix = asked.prefix
local now = tonumber(redis.call('TIME')[1])
redis.call('SET', prefix .. 'pointer:' .. asked.template, asked.pointer, 'EX', asked.ttl)
if asked.id then
  local plan = prefix .. 'plan:' .. asked.id
  local pinned = redis.call('HGET', plan, 'pinned')
  redis.call('DEL', plan)
  redis.call('HSET', plan, 'created', now, 'used', now, 'uses', 0, unpack(asked.fields))
  if pinned then
    redis.call('HSET', plan, 'pinned', pinned)
    redis.call('PERSIST', prefix .. 'pointer:' .. asked.template)
  else
    redis.call('EXPIRE', plan, asked.ttl)
  end
  redis.call('ZADD', prefix .. 'log', redis.call('INCR', prefix .. 'sequence'), asked.id)
  redis.call('ZREMRANGEBYRANK', prefix .. 'log', 0, -asked.log_size - 1)
  redis.call('SREM', prefix .. 'refresh', asked.id)
  redis.call('SADD', 'rowcall:scopes', asked.scope)
  for _, counter in ipairs(asked.counters) do
    redis.call('HINCRBY', counter, 'layer3', 1)
  end
  redis.call('ZINCRBY', asked.missed, 1, asked.question)
  redis.call('ZREMRANGEBYRANK', asked.missed, 0, -1001)
  redis.call('EXPIRE', asked.missed, asked.missed_ttl)
end
if asked.lease ~= '' and redis.call('GET', asked.lease) == asked.request then
  redis.call('DEL', asked.lease)
end
return 1
