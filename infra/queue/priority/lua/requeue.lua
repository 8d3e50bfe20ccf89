-- Gives deliveries back that were not begun. They return to the place they had.
--
-- ARGV[2..]  pairs of id and token
-- Result     how many went back
--
-- Bound: 500 pairs.
-- If Redis is lost, nothing is left to give back.

local plan, given = {}, 0
read_unfinished(redis.call("HGET", STATE, "unfinished"))
for i = 2, #ARGV, 2 do
    local id = ARGV[i]
    local record = redis.call("HGET", FLIGHT, id)
    if holds(record, ARGV[i + 1]) then
        local value = redis.call("HGET", MESSAGES, id)
        redis.call("HDEL", FLIGHT, id)
        redis.call("ZREM", LEASES, id)
        if value then
            line_up(plan, id, value, position_in(record))
            given = given + 1
        end
    end
end
carry_out(plan)
return given
