-- Drops all messages: waiting, delayed and in flight, also of lanes that nobody serves any more. Rejected messages
-- and the inflow counters stay.
--
-- ARGV[2]   "all", or "rest": only the lines that an earlier call left
-- ARGV[3..] lanes to drop beside those that have counters
-- Result    {how many messages were dropped, 1 when lines are left}
--
-- Bound: 500 lines a call, and what cannot be seen from outside goes later: here, or with the next fetches. A line that
-- is joined before is dropped before.
-- If Redis is lost, nothing is left to drop.

local now_ms = math.floor(time_us() / 1000)
read_unfinished(redis.call("HGET", STATE, "unfinished"))

local function drop_later(lane, key)
    if redis.call("EXISTS", key) == 1 then
        local names = PREFIX .. ":names:" .. redis.call("HINCRBY", STATE, "names", 1)
        redis.call("RENAME", key, names)
        leave_unfinished({ "drop", lane, names })
    end
end

local function drop_lane(lane)
    if redis.call("ZCARD", rounds_of(lane)) == redis.call("ZCARD", heads_of(lane)) then
        redis.call("DEL", rounds_of(lane))
    end
    drop_later(lane, heads_of(lane))
    drop_later(lane, rounds_of(lane))
    redis.call("UNLINK", balance_of(lane))
    redis.call("DEL", bell_of(lane))
    redis.call("HSET", STATE, "depth:" .. lane, 0, "weight:" .. lane, 0)
end

local function drop_all()
    local kept = {}
    for _, piece in ipairs(unfinished) do
        if piece[1] == "names" or piece[1] == "drop" then
            kept[#kept + 1] = { "drop", piece[2], piece[3] }
        elseif piece[1] == "cut" then
            kept[#kept + 1] = piece
        end
    end
    unfinished = kept
    for _, field in ipairs(redis.call("HKEYS", STATE)) do
        local lane = string.match(field, "^depth:(.*)")
        if lane then
            drop_lane(lane)
        elseif string.match(field, "^owed:") then
            redis.call("HDEL", STATE, field)
        end
    end
    for i = 3, #ARGV do
        drop_lane(ARGV[i])
    end
    local dropped = redis.call("HLEN", MESSAGES)
    redis.call("UNLINK", MESSAGES, DELAYED, FLIGHT, LEASES, HISTORY)
    keep_unfinished()
    return dropped
end

local dropped = ARGV[2] == "all" and drop_all() or 0
go_on(500, now_ms)
return { dropped, find_unfinished("drop") and 1 or 0 }
