-- Settle calls of models, learn which providers fail, and admit the next call: one request.
-- ARGV[1] is JSON:
--   settle    list of {id, accounts, nano, provider, ok, usage, fields}; ok tells a reply from a failure, null from no call
--   admit     {id, accounts, candidates = {{provider, nano}, …}, hold}, or absent
--   accounts  list of {key, limit}: what one payer spent this month; limit 0 is no limit. Money is in nano-dollars.
--   breaker   {threshold, cooldown, probe, memory}, in milliseconds but for the threshold
--   ttl, usage_ttl, settled_ttl   seconds
-- Replies {candidate, account, spent, held, wait}: the candidate admitted from 1, or 0 and
--   account > 0: its limit would be passed, `spent` and `held` tell how far it is; else every candidate is shut off,
--   and the first may be asked again in `wait` milliseconds.
local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number)
  return string.format('%.0f', number)
end

-- Reservations of an account: `:held` orders their ids by expiry, the hash keeps their amounts and their sum.
local function release(key, id)
  local amount = redis.call('HGET', key, 'hold:' .. id)
  if amount then
    redis.call('HDEL', key, 'hold:' .. id)
    redis.call('ZREM', key .. ':held', id)
    redis.call('HINCRBY', key, 'held', whole(-amount))
  end
end

local function settle(call)
  for _, account in ipairs(call.accounts) do
    release(account.key, call.id)
    if call.nano > 0 then
      redis.call('HINCRBY', account.key, 'spent', whole(call.nano))
      redis.call('EXPIRE', account.key, asked.ttl)
    end
  end
  local breaker = 'rowcall:breaker:' .. call.provider
  if call.ok == true then
    redis.call('DEL', breaker)
  elseif call.ok == false then
    if redis.call('HINCRBY', breaker, 'failures', 1) >= asked.breaker.threshold then
      redis.call('HSET', breaker, 'until', whole(now + asked.breaker.cooldown))
    end
    redis.call('PEXPIRE', breaker, asked.breaker.memory)
  end
  for _, key in ipairs(call.usage) do
    for field, amount in pairs(call.fields) do
      redis.call('HINCRBY', key, field, whole(amount))
    end
    redis.call('EXPIRE', key, asked.usage_ttl)
  end
end

for _, call in ipairs(asked.settle) do
  -- A call is told again when the reply to its settlement was lost; it counts once.
  if redis.call('SET', 'rowcall:settled:' .. call.id, 1, 'NX', 'EX', asked.settled_ttl) then
    settle(call)
  end
end

local admit = asked.admit
if not admit then
  return {0, 0, '0', '0', 0}
end

local chosen, wait, probing = 0, 0, false
for i, candidate in ipairs(admit.candidates) do
  local state = redis.call('HMGET', 'rowcall:breaker:' .. candidate[1], 'failures', 'until')
  local shut = tonumber(state[1] or 0) >= asked.breaker.threshold
  local left = tonumber(state[2] or 0) - now
  if not shut or left <= 0 then
    chosen, probing = i, shut
    break
  end
  wait = wait == 0 and left or math.min(wait, left)
end
if chosen == 0 then
  return {0, 0, '0', '0', wait}
end

local provider, nano = admit.candidates[chosen][1], admit.candidates[chosen][2]
for i, account in ipairs(admit.accounts) do
  if account.limit > 0 then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', account.key .. ':held', '-inf', now)) do
      release(account.key, id)
    end
    local sums = redis.call('HMGET', account.key, 'spent', 'held')
    local spent, held = tonumber(sums[1] or 0), tonumber(sums[2] or 0)
    if spent + held + nano > account.limit then
      return {0, i, whole(spent), whole(held), 0}
    end
  end
end
for _, account in ipairs(admit.accounts) do
  if account.limit > 0 then
    redis.call('HSET', account.key, 'hold:' .. admit.id, whole(nano))
    redis.call('HINCRBY', account.key, 'held', whole(nano))
    redis.call('ZADD', account.key .. ':held', now + admit.hold, admit.id)
    redis.call('EXPIRE', account.key, asked.ttl)
    redis.call('EXPIRE', account.key .. ':held', asked.ttl)
  end
end
if probing then
  -- One asker tries whether the provider is back; the others wait for what it finds.
  redis.call('HSET', 'rowcall:breaker:' .. provider, 'until', whole(now + asked.breaker.probe))
end
return {chosen, 0, '0', '0', 0}
