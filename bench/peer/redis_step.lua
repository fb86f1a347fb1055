-- Takes a step of a reservation. KEYS: the reservation; the holds in the order of their ends. ARGV: the
-- step; the time in milliseconds. What is confirmed says + at its end, what is fulfilled +-; the free
-- units stay as they are when what was reserved leaves. Returns the units given back, or -1 when the
-- reservation is not in the state for the step.
local reservation, holds, step = KEYS[1], KEYS[2], ARGV[1]
if step == 'fulfill' then
  if redis.call('GETRANGE', reservation, -1, -1) ~= '+' then return -1 end
  redis.call('APPEND', reservation, '-')
  return 0
end
local ends = redis.call('ZSCORE', holds, reservation)
if not ends or tonumber(ends) <= tonumber(ARGV[2]) then return -1 end
redis.call('ZREM', holds, reservation)
if step == 'confirm' then
  redis.call('APPEND', reservation, '+')
  return 0
end
local units = 0
for sku, n in string.gmatch(redis.call('GET', reservation), '([^\n]+)\n(%d+)') do
  redis.call('INCRBY', sku, n)
  units = units + tonumber(n)
end
redis.call('SET', reservation, '', 'PX', 86400000)
return units
