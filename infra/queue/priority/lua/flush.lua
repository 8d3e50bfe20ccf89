-- Drops all messages: waiting, delayed and in flight. Rejected messages and the inflow counters stay.
--
-- ARGV[2..]  lanes
-- Result     how many messages were dropped
--
-- If Redis is lost, nothing is left to drop.

local dropped = redis.call("HLEN", MESSAGES)
for i = 2, #ARGV do
    local lane = ARGV[i]
    for _, fair in ipairs(redis.call("LRANGE", turns_of(lane), 0, -1)) do
        redis.call("UNLINK", line_of(lane, fair))
    end
    redis.call("DEL", turns_of(lane), balance_of(lane), heads_of(lane), bell_of(lane))
    redis.call("HDEL", STATE, "depth:" .. lane, "weight:" .. lane)
end
for _, field in ipairs(redis.call("HKEYS", STATE)) do
    if string.match(field, "^owed:") then
        redis.call("HDEL", STATE, field)
    end
end
redis.call("UNLINK", MESSAGES, DELAYED, FLIGHT, LEASES, HISTORY)
return dropped
