-- Says that a process lives, renews the leases of what it holds, and brings back what others lost.
--
-- ARGV[2]   process
-- ARGV[3]   1 with the last of what it holds: only then is brought back what others lost
-- ARGV[4..] pairs of id and token that it holds
-- Result    pairs that it holds no longer: delivered elsewhere, superseded or flushed
--
-- Bound: 500 pairs. With the last of them up to 100 leases that ran out, 100 keys or messages of what is unfinished, and
-- 100 processes that are forgotten.
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

-- What no process has heard of for so long.
local function forget_older(key, age_ms)
    local old = redis.call("ZRANGEBYSCORE", key, "-inf", int(now_ms - age_ms), "LIMIT", 0, PIECE)
    if #old > 0 then
        redis.call("ZREM", key, unpack(old))
    end
end

-- Each message waits, is delayed or in flight, and what is in flight has a lease. Where that does not add up, part of
-- the queue was lost.
local function look_for_losses()
    local waiting, lanes = 0, {}
    local state = redis.call("HGETALL", STATE)
    for i = 1, #state, 2 do
        local lane = string.match(state[i], "^depth:(.*)")
        if lane then
            lanes[#lanes + 1] = lane
            waiting = waiting + tonumber(state[i + 1])
        end
    end
    local flight, leases = redis.call("HLEN", FLIGHT), redis.call("ZCARD", LEASES)
    local placed = waiting + redis.call("ZCARD", DELAYED) + math.max(flight, leases)
    if redis.call("HLEN", MESSAGES) > placed then
        for _, lane in ipairs(lanes) do
            leave_recount(lane)
        end
        leave_walk()
    end
    if flight > leases then
        leave_unfinished({ "flight", "0" })
    end
end

if ARGV[3] == "1" then
    reap(look({}), now_ms)
    if #unfinished == 0 then
        look_for_losses()
    end
    go_on(PIECE, now_ms)
    forget_older(OWNERS, DAY_MS)
    forget_older(GONE, 7 * DAY_MS)
end
return lost
