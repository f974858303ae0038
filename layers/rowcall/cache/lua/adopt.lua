-- A template takes over the plan of a near one: reply with that plan, point to it, give the lease back.
-- ARGV[1] is JSON: prefix, template, id, pointer, ttl, margin, lease, request, counters, shadow.
-- Replies false when the plan is gone, '' when feedback has made it stricter than `margin` allows.
local asked = cjson.decode(ARGV[1])
local prefix = asked.prefix
local plan = prefix .. 'plan:' .. asked.id
local kept = redis.call('HMGET', plan, 'entry', 'stricter', 'cost')
if not kept[1] then
  return false
end
if asked.margin < tonumber(kept[2] or 0) then
  return ''
end
local ttl = redis.call('TTL', plan)
redis.call('SET', prefix .. 'pointer:' .. asked.template, asked.pointer, 'EX', ttl > 0 and ttl or asked.ttl)
-- So that feedback knows how near it was; of more aliases than anybody looks at, it takes the worst for granted.
if asked.template ~= asked.id and redis.call('HLEN', plan) < 1000 then
  redis.call('HSET', plan, 'alias:' .. asked.template, string.format('%.9f', asked.margin))
end
redis.call('HINCRBY', plan, 'uses', math.min(#asked.counters, 1))
for _, counter in ipairs(asked.counters) do
  redis.call('HINCRBY', counter, 'layer2', 1)
  if tonumber(kept[3] or 0) > 0 then
    redis.call('HINCRBYFLOAT', counter, 'saved_usd', kept[3])
  end
end
if asked.shadow ~= '' then
  redis.call('LPUSH', prefix .. 'shadow', asked.shadow)
  redis.call('LTRIM', prefix .. 'shadow', 0, 999)
end
if asked.lease ~= '' and redis.call('GET', asked.lease) == asked.request then
  redis.call('DEL', asked.lease)
end
return kept[1]
