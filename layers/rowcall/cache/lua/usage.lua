-- Several hashes in one request: ARGV are their keys.
local found = {}
for i, key in ipairs(ARGV) do
  found[i] = redis.call('HGETALL', key)
end
return found
