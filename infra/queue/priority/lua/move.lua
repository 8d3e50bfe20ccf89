-- Moves messages to another lane, at the place that their age gives them there.
--
-- ARGV[2]    lane
-- ARGV[3..]  ids; those in flight change their lane for the case that they come back
-- Result     how many are known
--
-- If Redis is lost, the messages are.

local plan, moved = {}, 0
for i = 3, #ARGV do
    local id = ARGV[i]
    local value = redis.call("HGET", MESSAGES, id)
    if value then
        local lane = envelope(value)
        local changed = ARGV[2] .. string.sub(value, #lane + 1)
        local position = step_out(id, value)
        redis.call("HSET", MESSAGES, id, changed)
        if position then
            line_up(plan, id, changed, position)
        end
        moved = moved + 1
    end
end
carry_out(plan)
return moved
