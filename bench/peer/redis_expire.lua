-- Gives back what is due. KEYS: the holds. ARGV: the time in milliseconds; how many at most. The
-- reservation stays for a day, without units, so that its key still counts. Returns the units.
local units = 0
for _, reservation in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  for sku, n in string.gmatch(redis.call('GET', reservation), '([^\n]+)\n(%d+)') do
    redis.call('INCRBY', sku, n)
    units = units + tonumber(n)
  end
  redis.call('SET', reservation, '', 'PX', 86400000)
  redis.call('ZREM', KEYS[1], reservation)
end
return units
