-- Drop plans from layer 1 and layer 2 everywhere: their pointers and examples go too, the log tells every memory.
-- ARGV[1] is the scope's prefix, the others are ids; replies how many were there.
local prefix, dropped = ARGV[1], 0

local function unpoint(key, id)
  local pointer = redis.call('GET', prefix .. 'pointer:' .. key)
  if pointer and string.sub(pointer, 65) == 'p' .. id then
    redis.call('DEL', prefix .. 'pointer:' .. key)
  end
end

for i = 2, #ARGV do
  local id = ARGV[i]
  local plan = prefix .. 'plan:' .. id
  unpoint(id, id)
  for _, field in ipairs(redis.call('HKEYS', plan)) do
    if string.sub(field, 1, 6) == 'alias:' then
      unpoint(string.sub(field, 7), id)
    end
  end
  if redis.call('DEL', plan) == 1 then
    dropped = dropped + 1
    redis.call('ZADD', prefix .. 'log', redis.call('INCR', prefix .. 'sequence'), id)
  end
  redis.call('SREM', prefix .. 'pinned', id)
  redis.call('SREM', prefix .. 'refresh', id)
  for _, example in ipairs(redis.call('ZRANGE', prefix .. 'examples', 0, -1)) do
    if string.sub(example, 1, #id) == id then
      redis.call('ZREM', prefix .. 'examples', example)
    end
  end
end
return dropped
