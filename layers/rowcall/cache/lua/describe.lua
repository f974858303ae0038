-- What is kept of plans. ARGV[1] is the scope's prefix, the others are ids.
-- Replies for each {entry, created, used, uses, pinned, stricter, seconds until it expires, aliases}, or false.
local told = {}
for i = 2, #ARGV do
  local plan = ARGV[1] .. 'plan:' .. ARGV[i]
  local kept = redis.call('HMGET', plan, 'entry', 'created', 'used', 'uses', 'pinned', 'stricter')
  told[i - 1] = false
  if kept[1] then
    local aliases = 0
    for _, field in ipairs(redis.call('HKEYS', plan)) do
      aliases = aliases + (string.sub(field, 1, 6) == 'alias:' and 1 or 0)
    end
    kept[7], kept[8] = redis.call('TTL', plan), aliases
    told[i - 1] = kept
  end
end
return told
