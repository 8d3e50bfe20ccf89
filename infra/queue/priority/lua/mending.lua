-- What fetch and beat do for all processes beside their own work: they bring back what others lost, and mend a queue
-- of which Redis, or somebody, has dropped a part. Prepended to the scripts that do so, behind queue.lua.
--
-- Whatever may be long is done in pieces, a bounded one in each call; what is left of it stands in `unfinished`:
--   {"recount", lane}         the counters of the lane, or its turns, are wrong: all its fair keys join it anew
--   {"names", lane, key}      fair keys that have not joined yet: their lines are not counted, and not served
--   {"drop", lane, key}       fair keys whose lines are flushed
--   {"walk", cursor, lanes}   all messages are looked at, and what stands nowhere is lined up; if there are lanes, all
--                             counters were lost, and those of these lanes are mended already
--   {"flight", cursor}        deliveries without a lease get one
--   {"cut"}                   the clock stepped back

local function fields_of(names, lanes)
    for _, lane in ipairs(lanes) do
        names[#names + 1] = "depth:" .. lane
    end
    return names
end

local function find_unfinished(kind, lane)
    for _, piece in ipairs(unfinished) do
        if piece[1] == kind and (not lane or piece[2] == lane) then
            return piece
        end
    end
end

local function leave_recount(lane)
    if not find_unfinished("recount", lane) then
        leave_unfinished({ "recount", lane })
    end
end

-- From the first message on, also when a walk is under way: it may be past what was lost since.
local function leave_walk(lanes)
    local walk = find_unfinished("walk")
    if walk then
        walk[2], walk[3] = "0", lanes and { unpack(lanes) } or walk[3]
    else
        leave_unfinished({ "walk", "0", lanes and { unpack(lanes) } })
    end
end

-- Reads what a call must know of the queue. Without its mark STATE is new or was lost.
local function look(lanes)
    local fields = fields_of({ "contact", "reap_after", "unfinished", "whole", owed_of(lanes) }, lanes)
    local seen = redis.call("HMGET", STATE, unpack(fields))
    read_unfinished(seen[3])
    for number, lane in ipairs(lanes) do
        depths[lane] = tonumber(seen[5 + number] or "0")
    end
    if not seen[4] then
        if redis.call("EXISTS", MESSAGES) == 1 then
            for _, lane in ipairs(lanes) do
                leave_recount(lane)
            end
            leave_walk(lanes)
        end
        redis.call("HSET", STATE, "whole", 1)
    end
    return { contact = seen[1], reap_after = seen[2], owed = seen[5] }
end

-- The steps of repairs by their kinds. Made only where there is something to repair: most calls do without them.
local function steps_of_repairs()
    -- Lets a fair key join its lane with all that waits in its line. Returns how much work that was.
    local function admit(lane, fair)
        local line = line_of(lane, fair)
        local first = redis.call("ZRANGE", line, 0, 0, "WITHSCORES")
        if not first[2] then
            redis.call("HDEL", balance_of(lane), fair)
            return 1
        end
        if redis.call("ZADD", heads_of(lane), "NX", first[2], fair) == 0 then
            return 1
        end
        join_turns(lane, fair)
        local count, weight, looked_at = weigh(line)
        count_in(lane, count, int(weight))
        ring(lane)
        return 1 + math.floor(looked_at / 20)
    end

    local function recount(piece)
        local lane = piece[2]
        for _, key in ipairs({ heads_of(lane), rounds_of(lane) }) do
            if redis.call("EXISTS", key) == 1 then
                local names = PREFIX .. ":names:" .. redis.call("HINCRBY", STATE, "names", 1)
                redis.call("RENAME", key, names)
                leave_unfinished({ "names", lane, names })
            end
        end
        redis.call("HSET", STATE, "depth:" .. lane, 0, "weight:" .. lane, 0)
        depths[lane] = 0
        return 1, true
    end

    local function admit_names(piece, left)
        local used = 0
        while used < left do
            local name = redis.call("ZPOPMIN", piece[3])[1]
            if not name then
                return used + 1, true
            end
            used = used + admit(piece[2], name)
        end
        return used, false
    end

    local function drop_lines(piece, left)
        local names, lines = redis.call("ZPOPMIN", piece[3], left), {}
        for i = 1, #names, 2 do
            lines[#lines + 1] = line_of(piece[2], names[i])
        end
        if #lines > 0 then
            redis.call("UNLINK", unpack(lines))
        end
        return #lines + 1, #lines < left
    end

    -- One message of a walk. What is in flight comes back when its lease ends, with or without its delivery.
    local function look_after(piece, plan, id, value, now_ms)
        local lane, fair, weight = envelope(value)
        local is_in_flight = redis.call("HEXISTS", FLIGHT, id) == 1 or redis.call("ZSCORE", LEASES, id)
        if not lane or is_in_flight or redis.call("ZSCORE", DELAYED, id) then
            return 1
        end
        if piece[3] then
            local is_mended = false
            for _, mended in ipairs(piece[3]) do
                is_mended = is_mended or mended == lane
            end
            if not is_mended then
                table.insert(piece[3], lane)
                leave_recount(lane)
            end
        end
        if not redis.call("ZSCORE", line_of(lane, fair), weight .. ":" .. id) then
            line_up(plan, id, value, now_ms * 1000)
        elseif not redis.call("ZSCORE", heads_of(lane), fair) then
            return admit(lane, fair)
        end
        return 1
    end

    local function walk(piece, _, now_ms)
        local found, plan, used = redis.call("HSCAN", MESSAGES, piece[2], "COUNT", PIECE / 2), {}, 1
        for i = 1, #found[2], 2 do
            used = used + look_after(piece, plan, found[2][i], found[2][i + 1], now_ms)
        end
        carry_out(plan)
        piece[2] = found[1]
        return used, found[1] == "0"
    end

    local function renew_flight(piece, _, now_ms)
        local found, leases = redis.call("HSCAN", FLIGHT, piece[2], "COUNT", PIECE), {}
        for i = 1, #found[2], 2 do
            leases[i], leases[i + 1] = int(now_ms + RULES.lease_ms), found[2][i]
        end
        if #leases > 0 then
            redis.call("ZADD", LEASES, "NX", unpack(leases))
        end
        piece[2] = found[1]
        return #leases / 2 + 1, found[1] == "0"
    end

    -- A failover may bring a clock that is behind: what was to end within a lease by the old one does so by the new one.
    local function end_within_a_lease(_, _, now_ms)
        local last, is_done = int(now_ms + RULES.lease_ms), true
        for _, key in ipairs({ LEASES, OWNERS }) do
            local late, ends = redis.call("ZRANGEBYSCORE", key, "(" .. last, "+inf", "LIMIT", 0, PIECE), {}
            for _, member in ipairs(late) do
                ends[#ends + 1] = last
                ends[#ends + 1] = member
            end
            if #late > 0 then
                redis.call("ZADD", key, unpack(ends))
            end
            is_done = is_done and #late < PIECE
        end
        return PIECE, is_done
    end

    return {
        recount = recount,
        names = admit_names,
        drop = drop_lines,
        walk = walk,
        flight = renew_flight,
        cut = end_within_a_lease,
    }
end

-- Goes on with what is unfinished, for `left` keys or messages.
local function go_on(left, now_ms)
    if #unfinished == 0 then
        return
    end
    local steps = steps_of_repairs()
    while unfinished[1] and left > 0 do
        local used, is_done = steps[unfinished[1][1]](unfinished[1], left, now_ms)
        left = left - used
        if is_done then
            table.remove(unfinished, 1)
        end
    end
    keep_unfinished()
end

-- Brings back messages whose lease ran out, up to PIECE of them. When nobody was in touch for a while, or the clock
-- stepped back, Redis itself may have been away: then living processes first get the time to renew.
local function reap(seen, now_ms)
    local silence_ms = now_ms - tonumber(seen.contact or int(now_ms))
    redis.call("HSET", STATE, "contact", int(now_ms))
    if silence_ms < 0 and not find_unfinished("cut") then
        leave_unfinished({ "cut" })
    end
    if silence_ms < 0 or silence_ms > RULES.lease_ms / 2 then
        redis.call("HSET", STATE, "reap_after", int(now_ms + RULES.lease_ms / 3))
        return
    end
    if seen.reap_after and now_ms < tonumber(seen.reap_after) then
        return
    end
    local plan, bytes = {}, 0
    for _, id in ipairs(redis.call("ZRANGEBYSCORE", LEASES, "-inf", int(now_ms), "LIMIT", 0, PIECE)) do
        bytes = bytes + bring_back(plan, id, now_ms)
        if bytes > CHUNK_BYTES then
            break
        end
    end
    carry_out(plan)
end
