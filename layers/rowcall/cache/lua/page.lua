-- A further page of what is new for layer 2 (see recall.lua). ARGV: prefix, since, how many, field of the vector.
local prefix, page = ARGV[1], {}
local ids = redis.call('ZRANGEBYSCORE', prefix .. 'log', '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #ids, 2 do
  local kept = redis.call('HMGET', prefix .. 'plan:' .. ids[i], 'known', ARGV[4])
  page[#page + 1] = {ids[i], kept[1], kept[2], tonumber(ids[i + 1])}
end
return page
