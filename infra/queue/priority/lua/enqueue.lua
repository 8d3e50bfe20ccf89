-- Enqueues a batch, once: a repeated call, and a message that waits already, change nothing.
--
-- ARGV[2]   producer: a name that has one call under way at a time
-- ARGV[3]   number of the call, different from the producer's call before
-- ARGV[4..] for each message: id, delay in ms (-1: none), envelope
-- Result    ids of messages that were rejected because they are too large
--
-- A delivery of the same id that is still running is superseded: a retry and the end of its first delivery
-- are one step. A delayed message becomes due at the earlier of the two times.
-- Bound: 500 messages.
-- If Redis is lost, so are the messages: the sender must know that they were due.

local now_us = time_us()
local now_ms = math.floor(now_us / 1000)

-- A retry takes no more room than the delivery that it supersedes, and what that one holds is freed by its end only.
local function are_retries()
    for i = 4, #ARGV, 3 do
        if redis.call("HEXISTS", FLIGHT, ARGV[i]) == 0 then
            return false
        end
    end
    return true
end
if are_retries() then
    write_when_full()
end

local call = PREFIX .. ":producer:" .. ARGV[2]
if redis.call("SET", call, ARGV[3], "PX", RULES.producer_ttl_ms, "GET") == ARGV[3] then
    return {}
end

local plan, planned, arrivals, rejected = {}, {}, {}, {}
local position = next_positions(now_us, (#ARGV - 3) / 3)

local function is_waiting(id)
    if planned[id] then
        return true
    end
    local lane, fair, weight = envelope(redis.call("HGET", MESSAGES, id))
    return redis.call("ZSCORE", line_of(lane, fair), weight .. ":" .. id)
end

-- A retry goes to the lane that its message was moved to while it ran (see move).
local function in_its_lane(id, value)
    local lane = history_of(id).lane
    return lane and lane .. string.sub(value, #envelope(value) + 1) or value
end

-- The value of a message that is wanted, else nil, and whether it is one more: one that is delayed already only becomes
-- due sooner.
local function wanted_value(id, value, due)
    if redis.call("HSETNX", MESSAGES, id, value) == 1 then
        return value, true
    end
    if redis.call("HDEL", FLIGHT, id) == 1 then
        value = in_its_lane(id, value)
        redis.call("ZREM", LEASES, id)
        redis.call("HDEL", HISTORY, id)
        redis.call("HSET", MESSAGES, id, value)
        return value, true
    end
    local due_already = redis.call("ZSCORE", DELAYED, id)
    if due_already and due < tonumber(due_already) then
        redis.call("ZREM", DELAYED, id)
        redis.call("HSET", MESSAGES, id, value)
        return value, false
    end
    if not due_already and not is_waiting(id) then
        -- Part of the queue was lost, and the message with it: nobody would ever run it.
        redis.call("ZREM", LEASES, id)
        redis.call("HSET", MESSAGES, id, value)
        return value, true
    end
    return nil, false
end

local function delay(id, value, due)
    local first = redis.call("ZRANGE", DELAYED, 0, 0, "WITHSCORES")
    redis.call("ZADD", DELAYED, int(due), id)
    if not first[2] or due < tonumber(first[2]) or due - now_ms < LISTEN_MS then
        ring(envelope(value))
    end
end

local function admit(id, after_ms, value, place)
    if #value > RULES.max_bytes then
        reject(id, value, "too_large", now_ms)
        rejected[#rejected + 1] = id
        return
    end
    local is_one_more
    value, is_one_more = wanted_value(id, value, now_ms + math.max(after_ms, 0))
    if not value then
        return
    end
    local lane, weight, _
    if after_ms > 0 then
        lane, _, weight = envelope(value)
        delay(id, value, now_ms + after_ms)
    else
        lane, weight = line_up(plan, id, value, place)
        planned[id] = true
    end
    if is_one_more then
        note_arrival(arrivals, lane, weight)
    end
end

for i = 4, #ARGV, 3 do
    admit(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], position + (i - 4) / 3)
end
carry_out(plan)
count_arrivals(arrivals)
return rejected
