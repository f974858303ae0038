-- Where questions lead. ARGV[1] is the scope's prefix, the others are keys of templates, the first found counts.
-- Replies {key, pointer, entry}, or false.
for i = 2, #ARGV do
  local pointer = redis.call('GET', ARGV[1] .. 'pointer:' .. ARGV[i])
  if pointer then
    return {ARGV[i], pointer, redis.call('HGET', ARGV[1] .. 'plan:' .. string.sub(pointer, 66), 'entry')}
  end
end
return false
