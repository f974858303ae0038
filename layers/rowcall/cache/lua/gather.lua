-- What the warmer is to do for one scope. ARGV[1] is JSON: prefix, missed (keys), top, cap, ahead, most, samples.
-- Replies {missed, replan, samples}:
--   missed   the questions that missed the most
--   replan   what was asked for plans that soon reach their cap: those that recall.lua marked, and pinned ones
--   samples  what adopt.lua sampled
local asked = cjson.decode(ARGV[1])
local prefix = asked.prefix
local now = tonumber(redis.call('TIME')[1])

local counts, missed = {}, {}
for _, key in ipairs(asked.missed) do
  local found = redis.call('ZREVRANGE', key, 0, asked.top - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    if not counts[found[i]] then
      missed[#missed + 1] = found[i]
    end
    counts[found[i]] = (counts[found[i]] or 0) + tonumber(found[i + 1])
  end
end
table.sort(missed, function(a, b)
  return counts[a] > counts[b] or (counts[a] == counts[b] and a < b)
end)
for i = #missed, asked.top + 1, -1 do
  missed[i] = nil
end

local replan = {}
local function add(id, soon)
  local kept = redis.call('HMGET', prefix .. 'plan:' .. id, 'asked', 'created')
  if kept[1] and tonumber(kept[2]) + asked.cap - now <= soon then
    replan[#replan + 1] = kept[1]
  end
end
for _, id in ipairs(redis.call('SPOP', prefix .. 'refresh', asked.most)) do
  add(id, asked.cap)
end
for _, id in ipairs(redis.call('SRANDMEMBER', prefix .. 'pinned', asked.most)) do
  add(id, asked.ahead)
end

local samples = {}
for i = 1, asked.samples do
  samples[i] = redis.call('RPOP', prefix .. 'shadow') or nil
end
return {missed, replan, samples}
