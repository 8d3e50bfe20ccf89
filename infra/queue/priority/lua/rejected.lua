-- Rejected messages: list, enqueue again, discard, and take off the count of dropped ones what a person heard of.
--
-- ARGV[2]    "list", "acknowledge", "redrive" or "discard"
-- ARGV[3..]  for list: offset and count, oldest first; for acknowledge: how many; else ids
-- Result     list: for each message id, time of rejection in ms, record; acknowledge: how many are left;
--            else {how many were changed, how many ids were looked at}
--
-- A redriven message starts with a clean history; one whose id is known again is only removed from here.
--
-- Bound: 500 ids, and no more after 4 MB of messages, but at least one: then the caller goes on with the rest.
-- If Redis is lost, rejected messages are: move what must stay to a place that lasts.

-- A place without its record is dropped, a record without its place gets one. Either was lost.
local function mend_places()
    local missing = redis.call("HLEN", RECORDS) - redis.call("ZCARD", REJECTED)
    if missing > 0 then
        local now_ms = int(math.floor(time_us() / 1000))
        for _, id in ipairs(redis.call("HRANDFIELD", RECORDS, PIECE)) do
            redis.call("ZADD", REJECTED, "NX", now_ms, id)
        end
    end
end

if ARGV[2] == "list" then
    mend_places()
    local listed, bytes, first = {}, 0, tonumber(ARGV[3])
    local found = redis.call("ZRANGE", REJECTED, first, first + math.min(tonumber(ARGV[4]), 500) - 1, "WITHSCORES")
    for i = 1, #found, 2 do
        local size = redis.call("HSTRLEN", RECORDS, found[i])
        if size == 0 then
            redis.call("ZREM", REJECTED, found[i])
        elseif #listed == 0 or bytes + size <= CHUNK_BYTES then
            bytes = bytes + size
            listed[#listed + 1] = found[i]
            listed[#listed + 1] = tonumber(found[i + 1])
            listed[#listed + 1] = redis.call("HGET", RECORDS, found[i])
        else
            break
        end
    end
    return listed
end

write_when_full()
if ARGV[2] == "acknowledge" then
    local dropped = tonumber(redis.call("HGET", STATE, "rejected_dropped") or "0")
    return redis.call("HINCRBY", STATE, "rejected_dropped", 0 - math.min(dropped, tonumber(ARGV[3])))
end

local plan, arrivals, changed, looked_at, redriven = {}, {}, 0, 0, 0
local position = next_positions(time_us(), #ARGV)

local function redrive(id, place)
    local value = string.match(redis.call("HGET", RECORDS, id), "^[^\31]*\31%d+\31(.*)$")
    if redis.call("HSETNX", MESSAGES, id, value) == 1 then
        note_arrival(arrivals, line_up(plan, id, value, place))
    end
    redriven = redriven + #value
end

for i = 3, #ARGV do
    local id = ARGV[i]
    local size = redis.call("HSTRLEN", RECORDS, id)
    looked_at = looked_at + 1
    if size > 0 then
        if ARGV[2] == "redrive" then
            redrive(id, position + i)
        end
        redis.call("ZREM", REJECTED, id)
        redis.call("HDEL", RECORDS, id)
        redis.call("HINCRBY", STATE, "rejected_bytes", 0 - size)
        changed = changed + 1
    end
    if redriven > CHUNK_BYTES then
        break
    end
end
if redis.call("EXISTS", RECORDS) == 0 then
    redis.call("HSET", STATE, "rejected_bytes", 0)
end
carry_out(plan)
count_arrivals(arrivals)
return { changed, looked_at }
