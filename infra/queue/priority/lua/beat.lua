-- Says that a process lives, renews the leases of what it holds, and brings back what others lost.
--
-- ARGV[2]   process
-- ARGV[3]   1 with the last of what it holds: only then is brought back what others lost
-- ARGV[4..] pairs of id and token that it holds
-- Result    pairs that it holds no longer: delivered elsewhere, superseded or flushed
--
-- If Redis is lost, so are all leases: every pair comes back as no longer held.

local DAY_MS = 86400000
local now_ms = math.floor(time_us() / 1000)
write_when_full()
redis.call("ZADD", OWNERS, int(now_ms + RULES.lease_ms), ARGV[2])
redis.call("ZREM", GONE, ARGV[2])

local renewed, lost = {}, {}
for i = 4, #ARGV, 2 do
    if holds(redis.call("HGET", FLIGHT, ARGV[i]), ARGV[i + 1]) then
        renewed[#renewed + 1] = int(now_ms + RULES.lease_ms)
        renewed[#renewed + 1] = ARGV[i]
    else
        lost[#lost + 1] = ARGV[i]
        lost[#lost + 1] = ARGV[i + 1]
    end
end
if #renewed > 0 then
    redis.call("ZADD", LEASES, unpack(renewed))
end
if ARGV[3] == "1" then
    reap(now_ms)
end
redis.call("ZREMRANGEBYSCORE", OWNERS, "-inf", int(now_ms - DAY_MS))
redis.call("ZREMRANGEBYSCORE", GONE, "-inf", int(now_ms - 7 * DAY_MS))
return lost
