-- Rejected messages: list, enqueue again, discard, and take off the count of dropped ones what a person heard of.
--
-- ARGV[2]    "list", "acknowledge", "redrive" or "discard"
-- ARGV[3..]  for list: offset and count, oldest first; for acknowledge: how many; else ids
-- Result     list: for each message id, time of rejection in ms, record; acknowledge: how many are left;
--            else how many were changed
--
-- A redriven message starts with a clean history; one whose id is known again is only removed from here.
-- If Redis is lost, rejected messages are: move what must stay to a place that lasts.

if ARGV[2] == "list" then
    local listed = {}
    local last = tonumber(ARGV[3]) + tonumber(ARGV[4]) - 1
    local found = redis.call("ZRANGE", REJECTED, ARGV[3], last, "WITHSCORES")
    for i = 1, #found, 2 do
        listed[#listed + 1] = found[i]
        listed[#listed + 1] = tonumber(found[i + 1])
        listed[#listed + 1] = redis.call("HGET", RECORDS, found[i])
    end
    return listed
end

write_when_full()
if ARGV[2] == "acknowledge" then
    local dropped = tonumber(redis.call("HGET", STATE, "rejected_dropped") or "0")
    return redis.call("HINCRBY", STATE, "rejected_dropped", 0 - math.min(dropped, tonumber(ARGV[3])))
end

local plan, arrivals, changed = {}, {}, 0
local position = next_positions(time_us(), #ARGV)
for i = 3, #ARGV do
    local id = ARGV[i]
    local record = redis.call("HGET", RECORDS, id)
    if record then
        local value = string.match(record, "^[^\31]*\31%d+\31(.*)$")
        redis.call("ZREM", REJECTED, id)
        redis.call("HDEL", RECORDS, id)
        redis.call("HINCRBY", STATE, "rejected_bytes", -#record)
        changed = changed + 1
        if ARGV[2] == "redrive" and redis.call("HSETNX", MESSAGES, id, value) == 1 then
            note_arrival(arrivals, line_up(plan, id, value, position + i))
        end
    end
end
carry_out(plan)
count_arrivals(arrivals)
return changed
