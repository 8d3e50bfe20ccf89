-- Drops all messages: waiting, delayed and in flight, also of lanes that nobody serves any more. Rejected messages
-- and the inflow counters stay.
--
-- Result  how many messages were dropped
--
-- If Redis is lost, nothing is left to drop.

local function drop_lane(lane)
    for _, fair in ipairs(redis.call("LRANGE", turns_of(lane), 0, -1)) do
        redis.call("UNLINK", line_of(lane, fair))
    end
    redis.call("DEL", turns_of(lane), balance_of(lane), heads_of(lane), bell_of(lane))
    redis.call("HDEL", STATE, "depth:" .. lane, "weight:" .. lane)
end

local dropped = redis.call("HLEN", MESSAGES)
for _, field in ipairs(redis.call("HKEYS", STATE)) do
    local lane = string.match(field, "^depth:(.*)")
    if lane then
        drop_lane(lane)
    elseif string.match(field, "^owed:") then
        redis.call("HDEL", STATE, field)
    end
end
redis.call("UNLINK", MESSAGES, DELAYED, FLIGHT, LEASES, HISTORY)
return dropped
