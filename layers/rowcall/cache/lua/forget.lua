-- Drop plans from layer 1 and layer 2 everywhere: what points to them finds nothing, the log tells every memory.
-- ARGV[1] is the scope's prefix, the others are ids; replies how many were there.
local prefix, dropped = ARGV[1], 0
for i = 2, #ARGV do
  if redis.call('DEL', prefix .. 'plan:' .. ARGV[i]) == 1 then
    dropped = dropped + 1
    redis.call('ZADD', prefix .. 'log', redis.call('INCR', prefix .. 'sequence'), ARGV[i])
  end
end
return dropped
