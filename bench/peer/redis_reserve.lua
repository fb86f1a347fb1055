-- Reserves all or nothing. KEYS: the reservation, named by its idempotency key; the holds in the
-- order of their ends; the free units of each SKU. ARGV: the end in milliseconds; of each SKU the
-- units; then what the reservation says: the key and the units
-- of each SKU, a line each.
-- Returns 1, 0 when the key was used, -1 when there is not enough.
local reservation, holds = KEYS[1], KEYS[2]
if redis.call('EXISTS', reservation) == 1 then return 0 end
local n = #KEYS - 2
for i = 1, n do
  local free = redis.call('GET', KEYS[i + 2])
  if not free or tonumber(free) < tonumber(ARGV[i + 1]) then return -1 end
end
for i = 1, n do redis.call('DECRBY', KEYS[i + 2], ARGV[i + 1]) end
redis.call('SET', reservation, ARGV[n + 2])
redis.call('ZADD', holds, ARGV[1], reservation)
return 1
