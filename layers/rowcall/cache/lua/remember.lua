-- Keep a plan or a refusal, log the change, and give the lease back if it is still ours.
-- ARGV[1] is JSON: prefix, template, pointer, ttl, lease, request; with a plan also id, fields (of its hash), log_size,
-- scope, scope_ttl, counters (none for what nobody asked), question, missed (its key) and missed_ttl; with a near miss
-- also near, and nears (how many are kept).
local asked = cjson.decode(ARGV[1])
local prefix = asked.prefix
local now = tonumber(redis.call('TIME')[1])
if not asked.id then
  -- A refusal never takes the place of a plan.
  redis.call('SET', prefix .. 'pointer:' .. asked.template, asked.pointer, 'EX', asked.ttl, 'NX')
else
  redis.call('SET', prefix .. 'pointer:' .. asked.template, asked.pointer, 'EX', asked.ttl)
  local plan = prefix .. 'plan:' .. asked.id
  -- What people decided about this plan outlives its renewal, and so do the templates that share it.
  local before = redis.call('HGETALL', plan)
  redis.call('DEL', plan)
  redis.call('HSET', plan, 'created', now, 'used', now, 'uses', 0, unpack(asked.fields))
  local pinned = false
  for i = 1, #before, 2 do
    local field = before[i]
    local alias = string.match(field, '^alias:(.+)')
    local shares = alias and redis.call('EXISTS', prefix .. 'pointer:' .. alias) == 1
    if field == 'pinned' or field == 'stricter' or field == 'uses' or shares then
      redis.call('HSET', plan, field, before[i + 1])
      pinned = pinned or field == 'pinned'
    end
  end
  if pinned then
    redis.call('PERSIST', prefix .. 'pointer:' .. asked.template)
  else
    redis.call('EXPIRE', plan, asked.ttl)
  end
  redis.call('ZADD', prefix .. 'log', redis.call('INCR', prefix .. 'sequence'), asked.id)
  redis.call('ZREMRANGEBYRANK', prefix .. 'log', 0, -asked.log_size - 1)
  redis.call('SREM', prefix .. 'refresh', asked.id)
  redis.call('ZADD', 'rowcall:scopes', now, asked.scope)
  redis.call('ZREMRANGEBYSCORE', 'rowcall:scopes', '-inf', now - asked.scope_ttl)
  if asked.near then
    redis.call('LPUSH', prefix .. 'near', asked.near)
    redis.call('LTRIM', prefix .. 'near', 0, asked.nears - 1)
    redis.call('EXPIRE', prefix .. 'near', asked.missed_ttl)
  end
  for _, counter in ipairs(asked.counters) do
    redis.call('HINCRBY', counter, 'layer3', 1)
  end
  if #asked.counters > 0 then
    redis.call('ZINCRBY', asked.missed, 1, asked.question)
    redis.call('ZREMRANGEBYRANK', asked.missed, 0, -1001)
    redis.call('EXPIRE', asked.missed, asked.missed_ttl)
  end
end
if asked.lease ~= '' and redis.call('GET', asked.lease) == asked.request then
  redis.call('DEL', asked.lease)
end
return 1
