-- What all scripts of a queue share: its keys and the moves a message can make. Prepended to every script, before
-- mending.lua where that is needed.
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
local STATE = PREFIX .. ":state" -- hash: counters, and what is unfinished
local REJECTED = PREFIX .. ":rejected" -- sorted set: id by when it was rejected, ms
local RECORDS = PREFIX .. ":rejected:records" -- hash: id -> record

local function line_of(lane, fair) -- sorted set: weight:id by position
    return PREFIX .. ":waiting:" .. lane .. ":" .. fair
end
local function rounds_of(lane) -- sorted set: fair key with waiting messages by its next turn (see ROUND)
    return PREFIX .. ":rounds:" .. lane
end
local function balance_of(lane) -- hash: fair key -> weight it may take in its next turn, a quantum if absent; clock
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

-- A consumer asks again after this time at the latest (BELL_LOST_S in consumer.py). What is due sooner must ring its bell.
local LISTEN_MS = 1000

-- A call takes on at most so many ids, and goes on with no more once it has read so many bytes of messages (CHUNK and
-- CHUNK_BYTES in scripts.py): Redis answers nobody else meanwhile.
local CHUNK_BYTES = 4000000
local PIECE = 100 -- so many keys or messages of what is not named in the call

-- A turn is a number: its round times ROUND, and its place inside that round. The clock of a lane is the last turn that
-- was given out in the round that is under way; new turns are of later rounds. So debts of many rounds are paid by one
-- sum, and nobody has two turns in one round.
local ROUND = 65536
local CLOCK = SEPARATOR

-- Work that goes on in the next calls, each a bounded piece of it (see mending.lua). Kept as JSON in STATE; whoever
-- changes lines must have read it before.
local unfinished = {}

local depths = {} -- by lane, as far as this call knows it

local function int(number)
    return string.format("%.0f", number)
end

local function time_us()
    local time = redis.call("TIME")
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function read_unfinished(text)
    unfinished = text and cjson.decode(text) or {}
end

local function keep_unfinished()
    if #unfinished > 0 then
        redis.call("HSET", STATE, "unfinished", cjson.encode(unfinished))
    else
        redis.call("HDEL", STATE, "unfinished")
    end
end

local function leave_unfinished(piece)
    unfinished[#unfinished + 1] = piece
    keep_unfinished()
end

-- Later messages have higher positions, also within one microsecond and when the clock steps back. A queue without
-- messages is whole; otherwise who finds no mark of that knows that STATE was lost (see look_for_losses).
local function next_positions(now_us, count)
    local seen = redis.call("HMGET", STATE, "position", "unfinished")
    read_unfinished(seen[2])
    local first = math.max(now_us, tonumber(seen[1] or "0") + 1)
    redis.call("HSET", STATE, "position", int(first + count - 1))
    if not seen[1] and redis.call("EXISTS", MESSAGES) == 0 then
        redis.call("HSET", STATE, "whole", 1)
    end
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

-- Gives a fair key a turn in the next round, after the keys that have one already. Without its clock, which may have
-- been lost, a lane goes on from its last turn.
local function join_turns(lane, fair)
    local clock = redis.call("HINCRBY", balance_of(lane), CLOCK, 1)
    if clock == 1 then
        local last = redis.call("ZRANGE", rounds_of(lane), -1, -1, "WITHSCORES")
        if last[2] then
            clock = tonumber(last[2]) + 1
            redis.call("HSET", balance_of(lane), CLOCK, int(clock))
        end
    end
    redis.call("ZADD", rounds_of(lane), int(clock + ROUND), fair)
end

local function count_in(lane, count, weight)
    depths[lane] = redis.call("HINCRBY", STATE, "depth:" .. lane, count)
    redis.call("HINCRBY", STATE, "weight:" .. lane, weight)
end

-- How many wait in a line, and their weight: of a line longer than 2,000 that of the rest is estimated by these.
local function weigh(line)
    local members, count, weight = redis.call("ZRANGE", line, 0, 1999), redis.call("ZCARD", line), 0
    for _, member in ipairs(members) do
        weight = weight + tonumber(string.match(member, "^(%d+)"))
    end
    return count, math.floor(weight * count / math.max(1, #members)), #members
end

-- A line without a head may be a leftover: flushed, then it goes; or not counted yet, then it is now.
local function drop_leftover(lane, fair)
    for _, piece in ipairs(unfinished) do
        if piece[1] == "drop" and piece[2] == lane and redis.call("ZREM", piece[3], fair) == 1 then
            redis.call("UNLINK", line_of(lane, fair))
        end
    end
end

local function carry_out(plan)
    for _, line in ipairs(plan) do
        local name = line_of(line.lane, line.fair)
        local head = redis.call("ZSCORE", heads_of(line.lane), line.fair)
        if not head and #unfinished > 0 then
            drop_leftover(line.lane, line.fair)
        end
        local count, weight = redis.call("ZADD", name, unpack(line.members)), int(line.weight)
        if count < line.count then -- a place had outlived its message
            leave_unfinished({ "recount", line.lane })
        end
        if not head then
            join_turns(line.lane, line.fair)
            if #unfinished > 0 then
                count, weight = weigh(name)
                line.first = tonumber(redis.call("ZRANGE", name, 0, 0, "WITHSCORES")[2])
            end
        end
        if not head or line.first < tonumber(head) then
            redis.call("ZADD", heads_of(line.lane), int(line.first), line.fair)
        end
        count_in(line.lane, count, weight)
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
    if #unfinished > 0 and not redis.call("ZSCORE", heads_of(lane), fair) then
        return tonumber(position) -- its line is not counted yet
    end
    local head = redis.call("ZRANGE", line, 0, 0, "WITHSCORES")
    if head[1] then
        redis.call("ZADD", heads_of(lane), head[2], fair)
    else
        redis.call("ZREM", heads_of(lane), fair)
        redis.call("ZREM", rounds_of(lane), fair)
        redis.call("HDEL", balance_of(lane), fair)
    end
    count_in(lane, -1, "-" .. weight)
    return tonumber(position)
end

-- Keeps a message until a person decides. Beyond the cap it is dropped and counted: the alarm.
local function reject(id, value, reason, now_ms, history)
    local size = redis.call("HSTRLEN", RECORDS, id)
    local known = size > 0
    local counts = redis.call("HMGET", STATE, "rejected_bytes", "rejected_total")
    local bytes = tonumber(counts[1] or "0") - size + #value
    if bytes > RULES.rejected_max_bytes and redis.call("EXISTS", RECORDS) == 0 then
        redis.call("HSET", STATE, "rejected_bytes", 0) -- what was counted is lost
        bytes = #value
    end
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

-- Of deliveries for which their process has no actor: the ids to put off, and the ids whose grace is over. Those are
-- rejected.
local function part_unknown(ids, now_ms)
    local put_off, over = {}, {}
    local histories = redis.call("HMGET", HISTORY, unpack(ids))
    for number, id in ipairs(ids) do
        local history = histories[number] and cjson.decode(histories[number]) or { redelivered = 0, owners = {} }
        history.unknown_since_ms = history.unknown_since_ms or now_ms
        local is_over = now_ms - history.unknown_since_ms >= RULES.unknown_actor_grace_ms
        if is_over or redis.call("HEXISTS", MESSAGES, id) == 0 then
            local value = redis.call("HGET", MESSAGES, id)
            if value then
                reject(id, value, "unknown_actor", now_ms, history)
            end
            over[#over + 1] = id
        else
            put_off[#put_off + 1] = { id, cjson.encode(history) }
        end
    end
    return put_off, over
end

local function put_off_all(put_off, now_ms)
    local ids, histories, due = {}, {}, {}
    for number, one in ipairs(put_off) do
        ids[number] = one[1]
        histories[number * 2 - 1], histories[number * 2] = one[1], one[2]
        due[number * 2 - 1], due[number * 2] = int(now_ms + RULES.unknown_actor_retry_ms), one[1]
    end
    redis.call("HDEL", FLIGHT, unpack(ids))
    redis.call("ZREM", LEASES, unpack(ids))
    redis.call("HSET", HISTORY, unpack(histories))
    redis.call("ZADD", DELAYED, unpack(due))
end

-- Those ids that a token holds.
local function held_by(token, first, last)
    local held = {}
    for number, record in ipairs(redis.call("HMGET", FLIGHT, unpack(ARGV, first, last))) do
        if holds(record, token) then
            held[#held + 1] = ARGV[first + number - 1]
        end
    end
    return held
end

-- Settles deliveries: groups from ARGV[first], each a token, a reason, how many, and their ids. An empty reason is done.
-- "unknown_actor" puts off until another process has that actor, or rejects after a grace. Any other rejects. A token
-- that is not the last delivery's changes nothing.
local function settle(first, now_ms)
    write_when_full()
    local done, settled = {}, 0
    while first < #ARGV do
        local token, reason, last = ARGV[first], ARGV[first + 1], first + 2 + tonumber(ARGV[first + 2])
        local held = held_by(token, first + 3, last)
        settled = settled + #held
        if reason == "unknown_actor" and #held > 0 then
            local put_off
            put_off, held = part_unknown(held, now_ms)
            if #put_off > 0 then
                put_off_all(put_off, now_ms)
            end
        end
        for _, id in ipairs(held) do
            local value = reason ~= "" and reason ~= "unknown_actor" and redis.call("HGET", MESSAGES, id)
            if value then
                reject(id, value, reason, now_ms, history_of(id))
            end
            done[#done + 1] = id
        end
        first = last + 1
    end
    if #done > 0 then
        redis.call("HDEL", FLIGHT, unpack(done))
        redis.call("ZREM", LEASES, unpack(done))
        redis.call("HDEL", MESSAGES, unpack(done))
        redis.call("HDEL", HISTORY, unpack(done))
    end
    return settled
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
-- what is left of a message must stop no other. Without its delivery record it has lost its place only. Returns how
-- many bytes went back.
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
        return 0
    end
    redis.call("HDEL", FLIGHT, id)
    redis.call("ZREM", LEASES, id)
    redis.call("HSET", HISTORY, id, cjson.encode(history))
    line_up(plan, id, value, record and position_in(record) or now_ms * 1000)
    return #value
end
