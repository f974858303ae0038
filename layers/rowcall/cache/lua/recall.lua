-- Admission, layer 1, the lease to plan, and what is new for layer 2: one request.
-- ARGV[1] is JSON; replies {verdicts, found, leased, sequence, changed, page}, cut short after what refuses.
--   verdicts  per policy {used before this request, microseconds until a place is free}
--   found     {pointer, plan, uses} as sealed, or false
--   leased    1 when the asker is the one to plan
--   changed   ids of plans that were added or dropped since `seen`; what memory holds of them is stale
--   page      on a miss, {id, template, vector, sequence} of entries after `since`, for the index of layer 2
local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Sliding log: the moments of the last window are kept, so no window ever admits more than the quota.
-- All policies must admit, or none is charged.
local verdicts, refused = {}, false
for i, policy in ipairs(asked.policies) do
  redis.call('ZREMRANGEBYSCORE', policy.key, '-inf', now - policy.window)
  local used = redis.call('ZCARD', policy.key)
  local free = 0
  if used > 0 then
    local leaving = math.min(math.max(used + policy.count - policy.quota - 1, 0), used - 1)
    free = tonumber(redis.call('ZRANGE', policy.key, leaving, leaving, 'WITHSCORES')[2]) + policy.window - now
  end
  refused = refused or used + policy.count > policy.quota
  verdicts[i] = {used, free}
end
if refused then
  return {verdicts}
end
for _, policy in ipairs(asked.policies) do
  for place = 1, policy.count do
    redis.call('ZADD', policy.key, now, asked.request .. place)
  end
  redis.call('PEXPIRE', policy.key, math.ceil(policy.window / 1000) + 1000)
end
if not asked.prefix then
  return {verdicts}
end

local prefix = asked.prefix
if not asked.waited then
  for _, counter in ipairs(asked.counters) do
    redis.call('HINCRBY', counter, 'asked', 1)
    redis.call('EXPIRE', counter, asked.counters_ttl)
  end
end

local function find(template)
  local key = prefix .. 'pointer:' .. template
  local pointer = redis.call('GET', key)
  if not pointer then
    return false
  end
  if string.sub(pointer, 65, 65) ~= 'p' then
    return {pointer, false, 0}
  end
  local plan = prefix .. 'plan:' .. string.sub(pointer, 66)
  local entry = redis.call('HMGET', plan, 'entry', 'created', 'pinned', 'cost', 'took')
  if not entry[1] then
    redis.call('DEL', key)
    return false
  end
  for _, counter in ipairs(asked.counters) do
    redis.call('HINCRBY', counter, 'layer1', 1)
    if tonumber(entry[4] or 0) > 0 then
      redis.call('HINCRBYFLOAT', counter, 'saved_usd', entry[4])
    end
  end
  redis.call('HSET', plan, 'used', time[1])
  if not entry[3] then
    -- Expiry slides with use, up to a cap counted from the planning.
    local left = (tonumber(entry[2]) or 0) + asked.cap - time[1]
    local ttl = math.min(asked.ttl, left)
    -- XFetch (A. Vattani et al., Optimal Probabilistic Cache Stampede Prevention, 2015): the nearer the cap, the
    -- likelier that the warmer is asked for a new plan, so that no asker has to wait for one. Until there is one it
    -- takes the planning, and the time until the warmer comes.
    if left < (tonumber(entry[5] or 0) + asked.patience) * -math.log(asked.random) then
      redis.call('SADD', prefix .. 'refresh', string.sub(pointer, 66))
    end
    redis.call('EXPIRE', key, math.max(ttl, 1))
    redis.call('EXPIRE', plan, math.max(ttl, 1))
  end
  return {pointer, entry[1], redis.call('HINCRBY', plan, 'uses', math.min(#asked.counters, 1))}
end

local found = false
if not asked.fresh then
  found = find(asked.template) or find(asked.exact)
end
local sequence = tonumber(redis.call('GET', prefix .. 'sequence') or 0)
local changed = {}
if asked.seen < sequence then
  changed = redis.call('ZRANGEBYSCORE', prefix .. 'log', '(' .. asked.seen, '+inf', 'LIMIT', 0, 256)
end
if found then
  return {verdicts, found, 0, sequence, changed, {}}
end

local leased = redis.call('SET', prefix .. 'lease:' .. asked.template, asked.request, 'NX', 'PX', asked.lease) and 1 or 0
local page = {}
if asked.page > 0 and asked.since < sequence then
  local after = '(' .. asked.since
  local ids = redis.call('ZRANGEBYSCORE', prefix .. 'log', after, '+inf', 'WITHSCORES', 'LIMIT', 0, asked.page)
  for i = 1, #ids, 2 do
    local kept = redis.call('HMGET', prefix .. 'plan:' .. ids[i], 'known', asked.vector)
    page[#page + 1] = {ids[i], kept[1], kept[2], tonumber(ids[i + 1])}
  end
end
return {verdicts, false, leased, sequence, changed, page}
