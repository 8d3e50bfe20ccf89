-- Moves messages to another lane, at the place that their age gives them there.
--
-- ARGV[2]    lane
-- ARGV[3..]  ids; those in flight change their lane for the case that they come back, or are sent again
-- Result     {how many are known, how many ids were looked at}
--
-- Bound: 500 ids, and no more after 4 MB of messages: then the caller goes on with the rest.
-- If Redis is lost, the messages are.

-- What its process fetched says the old lane, and so would its retry: the new one is noted for that (see enqueue).
local function note_lane(id, is_waiting)
    local history = redis.call("HGET", HISTORY, id)
    if history or (not is_waiting and redis.call("HEXISTS", FLIGHT, id) == 1) then
        history = history_of(id)
        history.lane = ARGV[2]
        redis.call("HSET", HISTORY, id, cjson.encode(history))
    end
end

local plan, moved, bytes, looked_at = {}, 0, 0, 0
read_unfinished(redis.call("HGET", STATE, "unfinished"))
for i = 3, #ARGV do
    local id = ARGV[i]
    local value = redis.call("HGET", MESSAGES, id)
    looked_at = looked_at + 1
    if value then
        local lane = envelope(value)
        local changed = ARGV[2] .. string.sub(value, #lane + 1)
        local position = step_out(id, value)
        redis.call("HSET", MESSAGES, id, changed)
        if position then
            line_up(plan, id, changed, position)
        end
        note_lane(id, position)
        moved = moved + 1
        bytes = bytes + #value
    end
    if bytes > CHUNK_BYTES then
        break
    end
end
carry_out(plan)
return { moved, looked_at }
