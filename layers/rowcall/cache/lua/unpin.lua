-- Let a plan expire again. ARGV: prefix, id, seconds until it does; replies whether it is there.
local prefix, id = ARGV[1], ARGV[2]
local plan = prefix .. 'plan:' .. id
redis.call('SREM', prefix .. 'pinned', id)
if redis.call('EXISTS', plan) == 0 then
  return 0
end
if redis.call('HDEL', plan, 'pinned') == 1 then
  redis.call('EXPIRE', plan, ARGV[3])
  redis.call('EXPIRE', prefix .. 'pointer:' .. id, ARGV[3])
end
return 1
