-- Pin a plan: neither it nor its pointer expires. ARGV: prefix, id, the sealed pointer; replies whether it is there.
local prefix, id = ARGV[1], ARGV[2]
local plan = prefix .. 'plan:' .. id
if redis.call('EXISTS', plan) == 0 then
  return 0
end
redis.call('HSET', plan, 'pinned', redis.call('TIME')[1])
redis.call('PERSIST', plan)
redis.call('SET', prefix .. 'pointer:' .. id, ARGV[3])
redis.call('SADD', prefix .. 'pinned', id)
return 1
