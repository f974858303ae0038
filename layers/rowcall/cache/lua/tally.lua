-- Count a page of the scope's living plans. ARGV: prefix, after (a place in the log), how many.
-- Replies {next, plans, pinned, uses}; `next` is 0 when this page was the last.
local prefix = ARGV[1]
local ids = redis.call('ZRANGEBYSCORE', prefix .. 'log', '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local plans, pinned, uses = 0, 0, 0
for i = 1, #ids, 2 do
  local kept = redis.call('HMGET', prefix .. 'plan:' .. ids[i], 'created', 'pinned', 'uses')
  if kept[1] then
    plans = plans + 1
    pinned = pinned + (kept[2] and 1 or 0)
    uses = uses + tonumber(kept[3] or 0)
  end
end
local full = #ids == 2 * tonumber(ARGV[3])
return {full and tonumber(ids[#ids]) or 0, plans, pinned, uses}
