-- Ids of the scope's living plans, the newest first. ARGV: prefix, before (a place in the log, or +inf), how many.
-- Replies {ids, next}: the next page is before `next`; 0 when this one was the last. The log also holds plans that
-- are gone, so no more than ten times as many entries are looked at.
local prefix, before, wanted = ARGV[1], ARGV[2], tonumber(ARGV[3])
local looked = 10 * wanted
local ids = redis.call('ZREVRANGEBYSCORE', prefix .. 'log', '(' .. before, '-inf', 'WITHSCORES', 'LIMIT', 0, looked)
local found = {}
for i = 1, #ids, 2 do
  if redis.call('EXISTS', prefix .. 'plan:' .. ids[i]) == 1 then
    found[#found + 1] = ids[i]
    if #found == wanted then
      return {found, i + 1 < #ids and tonumber(ids[i + 1]) or 0}
    end
  end
end
return {found, #ids == 2 * looked and tonumber(ids[#ids]) or 0}
