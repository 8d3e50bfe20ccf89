-- Depth, age and inflow, at a cost that depends on the number of lanes only.
--
-- ARGV[2..]  lanes
-- Result     {delayed, overdue, for how many ms the oldest of these is so or -1, in flight, rejected, rejected and
--            dropped at the cap, then for each lane: messages, weight, age of the oldest in ms or -1, messages
--            that ever came, their weight}
--
-- Delayed messages join their lane when somebody fetches: with nobody there they become overdue.
-- Bound: the lanes that are asked for.
-- If Redis is lost, the counters start again at zero.

local now_us = time_us()
local now_ms = math.floor(now_us / 1000)
local first_due = tonumber(redis.call("ZRANGE", DELAYED, 0, 0, "WITHSCORES")[2])
local result = {
    redis.call("ZCARD", DELAYED),
    redis.call("ZCOUNT", DELAYED, "-inf", int(now_ms)),
    first_due and first_due <= now_ms and now_ms - first_due or -1,
    redis.call("HLEN", FLIGHT),
    redis.call("ZCARD", REJECTED),
    tonumber(redis.call("HGET", STATE, "rejected_dropped") or "0"),
}
for i = 2, #ARGV do
    local lane = ARGV[i]
    local counts =
        redis.call("HMGET", STATE, "depth:" .. lane, "weight:" .. lane, "inflow:" .. lane, "inflow_weight:" .. lane)
    local head = redis.call("ZRANGE", heads_of(lane), 0, 0, "WITHSCORES")
    result[#result + 1] = math.max(0, tonumber(counts[1] or "0"))
    result[#result + 1] = math.max(0, tonumber(counts[2] or "0"))
    result[#result + 1] = head[2] and math.max(0, math.floor((now_us - tonumber(head[2])) / 1000)) or -1
    result[#result + 1] = tonumber(counts[3] or "0")
    result[#result + 1] = tonumber(counts[4] or "0")
end
return result
