-- The latest near misses of a scope, sealed. ARGV[1] is its prefix.
return redis.call('LRANGE', ARGV[1] .. 'near', 0, -1)
