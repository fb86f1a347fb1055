-- Counts the units of some holds. KEYS: the holds. ARGV: the first and the last.
local units = 0
for _, reservation in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2])) do
  for n in string.gmatch(redis.call('GET', reservation), '[^\n]+\n(%d+)') do units = units + tonumber(n) end
end
return units
