-- Give a lease back, or hold it longer, only if it is still ours (ARGV: key, token, milliseconds or 0).
if redis.call('GET', ARGV[1]) ~= ARGV[2] then
  return 0
end
if ARGV[3] == '0' then
  return redis.call('DEL', ARGV[1])
end
return redis.call('PEXPIRE', ARGV[1], ARGV[3])
