-- What all scripts of a queue share: its keys and the moves a message can make. Prepended to every script.
--
-- KEYS[1]   prefix of all keys of the queue, with its hash tag, for example {orders:work}
-- ARGV[1]   settings as JSON, the same in every call (see Rules in rules.py)
--
-- Times are Redis's own. A position is the microsecond in which a message came, so that it is both its place
-- in line and its age. Numbers up to 2^53 are exact; tostring() would round them, so int() writes them.

local PREFIX = KEYS[1]
local RULES = cjson.decode(ARGV[1])
local SEPARATOR = "\31"

local MESSAGES = PREFIX .. ":messages" -- hash: id -> envelope (lane, fair key, weight, encoded message)
local DELAYED = PREFIX .. ":delayed" -- sorted set: id by due time, ms
local FLIGHT = PREFIX .. ":flight" -- hash: id -> token of the delivery, position
local LEASES = PREFIX .. ":leases" -- sorted set: id by end of lease, ms
local OWNERS = PREFIX .. ":owners" -- sorted set: process by end of its heartbeat, ms
local GONE = PREFIX .. ":gone" -- sorted set: process by when it was found gone, ms
local HISTORY = PREFIX .. ":history" -- hash: id -> JSON, only of messages that came back
local STATE = PREFIX .. ":state" -- hash: counters
local REJECTED = PREFIX .. ":rejected" -- sorted set: id by when it was rejected, ms
local RECORDS = PREFIX .. ":rejected:records" -- hash: id -> record

local function line_of(lane, fair) -- sorted set: weight:id by position
    return PREFIX .. ":waiting:" .. lane .. ":" .. fair
end
local function turns_of(lane) -- list: fair keys with waiting messages, next turn first
    return PREFIX .. ":turns:" .. lane
end
local function balance_of(lane) -- hash: fair key -> weight it may still take in its turn
    return PREFIX .. ":balance:" .. lane
end
local function heads_of(lane) -- sorted set: fair key by position of its first message
    return PREFIX .. ":heads:" .. lane
end
local function owed_of(lanes) -- field of STATE: what those who serve just these lanes owe the lower ones, in weight
    return "owed:" .. table.concat(lanes, ",")
end
local function bell_of(lane) -- list of at most one element: something waits
    return PREFIX .. ":bell:" .. lane
end

-- A consumer asks again after this time at the latest (BELL_LOST_S in consumer.py). Of what is due sooner it must be told.
local LISTEN_MS = 1000

local function int(number)
    return string.format("%.0f", number)
end

local function time_us()
    local time = redis.call("TIME")
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Later messages have higher positions, also within one microsecond and when the clock steps back.
local function next_positions(now_us, count)
    local last = tonumber(redis.call("HGET", STATE, "position") or "0")
    local first = math.max(now_us, last + 1)
    redis.call("HSET", STATE, "position", int(first + count - 1))
    return first
end

-- Lane, fair key and weight; the weight stays text, which Lua counts with all the same.
local function envelope(value)
    return string.match(value, "^([^\31]*)\31([^\31]*)\31(%d+)\31")
end

-- A full Redis refuses a script's first write if that could grow. After one that cannot, the others pass: for
-- scripts that free memory, or that keep alive what is held.
local function write_when_full()
    redis.call("HDEL", STATE, "")
end

local function ring(lane)
    if redis.call("LLEN", bell_of(lane)) == 0 then
        redis.call("LPUSH", bell_of(lane), "1")
    end
end

-- A plan collects messages by line, so that each line is written once.
local function line_up(plan, id, value, position)
    local lane, fair, weight = envelope(value)
    local name = lane .. SEPARATOR .. fair
    local line = plan[name]
    if not line then
        line = { lane = lane, fair = fair, weight = 0, count = 0, first = position, members = {} }
        plan[name] = line
        plan[#plan + 1] = line
    end
    line.weight = line.weight + weight
    line.count = line.count + 1
    line.first = math.min(line.first, position)
    line.members[#line.members + 1] = int(position)
    line.members[#line.members + 1] = weight .. ":" .. id
    return lane, weight
end

local function carry_out(plan)
    for _, line in ipairs(plan) do
        redis.call("ZADD", line_of(line.lane, line.fair), unpack(line.members))
        local head = redis.call("ZSCORE", heads_of(line.lane), line.fair)
        if not head then
            redis.call("RPUSH", turns_of(line.lane), line.fair)
            redis.call("HSET", balance_of(line.lane), line.fair, RULES.quantum)
        end
        if not head or line.first < tonumber(head) then
            redis.call("ZADD", heads_of(line.lane), int(line.first), line.fair)
        end
        redis.call("HINCRBY", STATE, "depth:" .. line.lane, line.count)
        redis.call("HINCRBY", STATE, "weight:" .. line.lane, line.weight)
        ring(line.lane)
    end
end

-- Arrivals are what senders brought, by lane: what falls due, returns or changes its lane is none.
local function note_arrival(arrivals, lane, weight)
    local sums = arrivals[lane] or { count = 0, weight = 0 }
    arrivals[lane] = { count = sums.count + 1, weight = sums.weight + weight }
end

local function count_arrivals(arrivals)
    for lane, sums in pairs(arrivals) do
        redis.call("HINCRBY", STATE, "inflow:" .. lane, sums.count)
        redis.call("HINCRBY", STATE, "inflow_weight:" .. lane, sums.weight)
    end
end

-- Takes one waiting message out of its line. Returns its position, or nil when it does not wait.
local function step_out(id, value)
    local lane, fair, weight = envelope(value)
    local line = line_of(lane, fair)
    local member = weight .. ":" .. id
    local position = redis.call("ZSCORE", line, member)
    if not position then
        return nil
    end
    redis.call("ZREM", line, member)
    local head = redis.call("ZRANGE", line, 0, 0, "WITHSCORES")
    if head[1] then
        redis.call("ZADD", heads_of(lane), head[2], fair)
    else
        redis.call("ZREM", heads_of(lane), fair)
        redis.call("LREM", turns_of(lane), 1, fair)
        redis.call("HDEL", balance_of(lane), fair)
    end
    redis.call("HINCRBY", STATE, "depth:" .. lane, -1)
    redis.call("HINCRBY", STATE, "weight:" .. lane, "-" .. weight)
    return tonumber(position)
end

-- Keeps a message until a person decides. Beyond the cap it is dropped and counted: the alarm.
local function reject(id, value, reason, now_ms, history)
    local size = redis.call("HSTRLEN", RECORDS, id)
    local known = size > 0
    local counts = redis.call("HMGET", STATE, "rejected_bytes", "rejected_total")
    local bytes = tonumber(counts[1] or "0") - size + #value
    redis.call("HINCRBY", STATE, "rejected_total", 1)
    if (not known and redis.call("ZCARD", REJECTED) >= RULES.rejected_max) or bytes > RULES.rejected_max_bytes then
        redis.call("HINCRBY", STATE, "rejected_dropped", 1)
        return
    end
    local redelivered = history and history.redelivered or 0
    local record = table.concat({ reason, int(redelivered), value }, SEPARATOR)
    redis.call("ZADD", REJECTED, int(now_ms), id)
    redis.call("HSET", RECORDS, id, record)
    redis.call("HINCRBY", STATE, "rejected_bytes", #record - size)
end

local function forget(id)
    redis.call("HDEL", FLIGHT, id)
    redis.call("ZREM", LEASES, id)
    redis.call("HDEL", MESSAGES, id)
    redis.call("HDEL", HISTORY, id)
end

local function history_of(id)
    local found = redis.call("HGET", HISTORY, id)
    return found and cjson.decode(found) or { redelivered = 0, owners = {} }
end

-- A delivery record is its token, then the position; a token is its process, then a number.
local function holds(record, token)
    return record and string.sub(record, 1, #token + 1) == token .. SEPARATOR
end
local function position_in(record)
    return tonumber(string.match(record, "\31(%d+)$"))
end
local function owner_of(record)
    return string.match(record, "^(.*):%d+\31")
end

-- Settles deliveries: groups from ARGV[first], each a token, a reason, how many, and their ids. An empty reason
-- is done, any other rejects. A token that is not the last delivery's changes nothing.
local function settle(first, now_ms)
    write_when_full()
    local done = {}
    while first < #ARGV do
        local token, reason, last = ARGV[first], ARGV[first + 1], first + 2 + tonumber(ARGV[first + 2])
        for number, record in ipairs(redis.call("HMGET", FLIGHT, unpack(ARGV, first + 3, last))) do
            local id = ARGV[first + 2 + number]
            if holds(record, token) then
                local value = reason ~= "" and redis.call("HGET", MESSAGES, id)
                if value then
                    reject(id, value, reason, now_ms, history_of(id))
                end
                done[#done + 1] = id
            end
        end
        first = last + 1
    end
    if #done > 0 then
        redis.call("HDEL", FLIGHT, unpack(done))
        redis.call("ZREM", LEASES, unpack(done))
        redis.call("HDEL", MESSAGES, unpack(done))
        redis.call("HDEL", HISTORY, unpack(done))
    end
    return #done
end

-- Processes that ran this message and are still gone. One that was only away for a while has come back.
local function gone_owners(history)
    local gone = {}
    for _, owner in ipairs(history.owners) do
        if redis.call("ZSCORE", GONE, owner) then
            gone[#gone + 1] = owner
        end
    end
    return gone
end

local function crashes_of(history)
    return #gone_owners(history)
end

local function note_loss(history, record, now_ms)
    history.redelivered = history.redelivered + 1
    history.owners = gone_owners(history)
    local owner = owner_of(record)
    local alive_until = redis.call("ZSCORE", OWNERS, owner)
    if alive_until and tonumber(alive_until) > now_ms then
        return
    end
    redis.call("ZADD", GONE, int(now_ms), owner)
    -- Prefetched neighbours share the first suspicion only: after it a message counts when it was started.
    if #history.owners == 0 or history.started == string.match(record, "^(.*)\31") then
        for _, known in ipairs(history.owners) do
            if known == owner then
                return
            end
        end
        table.insert(history.owners, owner)
    end
end

-- Brings one message back, or rejects it. Redis undoes nothing when a script fails: where part of the queue was lost,
-- what is left of a message must stop no other. Without its delivery record it has lost its place only.
local function bring_back(plan, id, now_ms)
    local record = redis.call("HGET", FLIGHT, id)
    local value = redis.call("HGET", MESSAGES, id)
    local history = history_of(id)
    if value and record then
        note_loss(history, record, now_ms)
    end
    if value and crashes_of(history) >= RULES.max_crashes then
        reject(id, value, "crashed", now_ms, history)
        value = false
    end
    if not value then
        forget(id)
        return
    end
    redis.call("HDEL", FLIGHT, id)
    redis.call("ZREM", LEASES, id)
    redis.call("HSET", HISTORY, id, cjson.encode(history))
    line_up(plan, id, value, record and position_in(record) or now_ms * 1000)
end

-- A failover may bring a clock that is behind: what was to end within a lease by the old one does so by the new one.
local function end_within_a_lease(key, now_ms)
    local last = int(now_ms + RULES.lease_ms)
    for _, member in ipairs(redis.call("ZRANGEBYSCORE", key, "(" .. last, "+inf")) do
        redis.call("ZADD", key, last, member)
    end
end

-- Brings back messages whose lease ran out. When nobody was in touch for a while, or the clock stepped back, Redis
-- itself may have been away: then living processes first get the time to renew.
local function reap(now_ms)
    local seen = redis.call("HMGET", STATE, "contact", "reap_after")
    local silence_ms = now_ms - tonumber(seen[1] or int(now_ms))
    redis.call("HSET", STATE, "contact", int(now_ms))
    if silence_ms < 0 then
        end_within_a_lease(LEASES, now_ms)
        end_within_a_lease(OWNERS, now_ms)
    end
    if silence_ms < 0 or silence_ms > RULES.lease_ms / 2 then
        redis.call("HSET", STATE, "reap_after", int(now_ms + RULES.lease_ms / 3))
        return
    end
    if seen[2] and now_ms < tonumber(seen[2]) then
        return
    end
    local plan = {}
    for _, id in ipairs(redis.call("ZRANGEBYSCORE", LEASES, "-inf", int(now_ms), "LIMIT", 0, 100)) do
        bring_back(plan, id, now_ms)
    end
    carry_out(plan)
end
