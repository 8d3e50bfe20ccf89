-- Settles finished deliveries, brings back lost ones, promotes due ones, and leases the next messages.
--
-- ARGV[2]   token of this delivery: process and number
-- ARGV[3]   how many messages of any served lane
-- ARGV[4]   how many more of the first lane only
-- ARGV[5..] served lanes, higher first, up to an empty string; then groups to settle (see settle)
-- Result    {ms until the next delayed message or -1, then for each message: id, envelope, rank, crashes}
--
-- The higher lane goes first, but of RULES.share taken (in weight) one is of a lower lane, the one whose first
-- message has waited longest. Its rank is that of the higher lane, so that it keeps its turn in the process too.
-- Inside a lane fair keys take turns of RULES.quantum (in weight); a heavy message is paid for by later turns.
--
-- Bound: 500 ids to settle and 500 asked for. Of leases that ran out, due messages and what is unfinished, up to 100,
-- 200 and 100, and no more after 4 MB of messages; a turn for each message, and 100 turns that find nothing.
-- If Redis is lost, all deliveries are: their settlements then change nothing.

local token, room, top_room = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now_us = time_us()
local now_ms = math.floor(now_us / 1000)

local lanes, first_settled = {}, 5
while ARGV[first_settled] ~= "" do
    lanes[#lanes + 1] = ARGV[first_settled]
    first_settled = first_settled + 1
end
settle(first_settled + 1, now_ms)
local seen = look(lanes)
reap(seen, now_ms)

local function promote()
    local due = redis.call("ZRANGEBYSCORE", DELAYED, "-inf", int(now_ms), "WITHSCORES", "LIMIT", 0, 2 * PIECE)
    if #due == 0 then
        return
    end
    local plan, bytes = {}, 0
    for i = 1, #due, 2 do
        local value = redis.call("HGET", MESSAGES, due[i])
        redis.call("ZREM", DELAYED, due[i])
        if value then
            line_up(plan, due[i], value, tonumber(due[i + 1]) * 1000)
            bytes = bytes + #value
        end
        if bytes > CHUNK_BYTES then
            break
        end
    end
    carry_out(plan)
end
promote()

-- Each fair key that waits has a turn and a head, and a lane without any has nothing that waits.
local keys = {}
local function look_for_losses(lane)
    keys[lane] = redis.call("ZCARD", heads_of(lane))
    if redis.call("ZCARD", rounds_of(lane)) ~= keys[lane] then
        leave_recount(lane)
    elseif keys[lane] == 0 and depths[lane] ~= 0 then
        leave_recount(lane)
        leave_walk()
    end
end
for _, lane in ipairs(lanes) do
    look_for_losses(lane)
end
go_on(PIECE, now_ms)

local ids, positions, ranks = {}, {}, {}
local turns_left = room + top_room + PIECE -- also when lines are lost

local taken_of = {} -- by lane: how many, their weight, and whether nothing waits any more
local function note_taken(lane, count, weight, is_last)
    local sum = taken_of[lane] or { count = 0, weight = 0 }
    taken_of[lane] = { count = sum.count + count, weight = sum.weight + weight, is_empty = is_last }
end

-- Position of the first message of each lane, false when nothing waits there; read again after a lane changed.
local heads = {}
for number, lane in ipairs(lanes) do
    if keys[lane] == 0 and depths[lane] == 0 then
        heads[number] = false
    end
end
local function forget_head(number)
    heads[number] = nil
    local taken = taken_of[lanes[number]]
    if taken and taken.is_empty then
        heads[number] = false
    end
end
local function head_of(number)
    if heads[number] == nil then
        local head = redis.call("ZRANGE", heads_of(lanes[number]), 0, 0, "WITHSCORES")
        heads[number] = head[2] and tonumber(head[2]) or false
    end
    return heads[number]
end

local changed = {}
local function note_change(field, value)
    changed[#changed + 1] = field
    changed[#changed + 1] = value
end
-- Made only where something waits: most fetches of idle processes do without it.
local function take_messages()
    -- Ends a turn, or leaves it for the next call. Its clock is that of the last turn that was begun.
    local function end_turn(lane, fair, turn, balance)
        local round = math.floor(turn.tag / ROUND)
        local clock = math.max(turn.clock, round * ROUND)
        if balance <= 0 then
            local rounds = math.floor(-balance / RULES.quantum) + 1
            clock = clock + 1
            balance = balance + rounds * RULES.quantum
            redis.call("ZADD", rounds_of(lane), int((round + rounds) * ROUND + clock % ROUND), fair)
        end
        redis.call("HSET", balance_of(lane), fair, int(balance), CLOCK, int(clock))
    end

    local function leave_turns(lane, fair, turn)
        redis.call("ZREM", rounds_of(lane), fair)
        redis.call("ZREM", heads_of(lane), fair)
        if turn.is_last then
            redis.call("DEL", balance_of(lane))
            return
        end
        if turn.has_balance then
            redis.call("HDEL", balance_of(lane), fair)
        end
        local clock = math.floor(turn.tag / ROUND) * ROUND
        if clock > turn.clock then
            redis.call("HSET", balance_of(lane), CLOCK, int(clock))
        end
    end

    -- One turn: the next fair key of the lane, until its balance, `most` or `budget` is used up.
    local function take_turn(lane, fair, turn, most, budget, rank)
        local line, balance = line_of(lane, fair), turn.balance
        local asked = math.max(0, math.min(most, math.ceil(math.min(balance, budget))))
        local found = redis.call("ZRANGE", line, 0, asked, "WITHSCORES")
        local taken, weight = 0, 0
        while taken < asked and found[taken * 2 + 1] and balance > 0 and weight < budget do
            local heavy, id = string.match(found[taken * 2 + 1], "^(%d+):(.*)$")
            taken = taken + 1
            weight = weight + tonumber(heavy)
            balance = balance - math.min(tonumber(heavy), RULES.quantum * 20)
            ids[#ids + 1] = id
            positions[#positions + 1] = found[taken * 2]
            ranks[#ranks + 1] = rank
        end
        if taken > 0 then
            redis.call("ZREMRANGEBYRANK", line, 0, taken - 1)
        elseif asked > 0 and not found[1] then
            leave_walk() -- the line was lost, and its messages stand nowhere
        end
        local is_over = not found[taken * 2 + 1]
        if is_over then
            leave_turns(lane, fair, turn)
        else
            redis.call("ZADD", heads_of(lane), found[taken * 2 + 2], fair)
            end_turn(lane, fair, turn, balance)
        end
        note_taken(lane, taken, weight, is_over and turn.is_last)
        return taken, weight
    end

    local function take(lane, most, budget, rank)
        local taken, weight, is_empty = 0, 0, false
        while taken < most and weight < budget and turns_left > 0 and not is_empty do
            turns_left = turns_left - 1
            local next = redis.call("ZRANGE", rounds_of(lane), 0, 1, "WITHSCORES")
            local fair = next[1]
            if not fair then
                break
            end
            local known = redis.call("HMGET", balance_of(lane), fair, CLOCK)
            local turn = { tag = tonumber(next[2]), is_last = not next[3], has_balance = known[1] }
            turn.balance, turn.clock = tonumber(known[1] or RULES.quantum), tonumber(known[2] or "0")
            local count, load = take_turn(lane, fair, turn, most - taken, budget - weight, rank)
            taken = taken + count
            weight = weight + load
            is_empty = taken_of[lane].is_empty
        end
        return taken, weight
    end

    -- Of the lanes after `number`, the one whose first message has waited longest; nil when nothing waits there.
    local function longest_waiting_below(number)
        local oldest
        for i = number + 1, #lanes do
            if head_of(i) and (not oldest or heads[i] < heads[oldest]) then
                oldest = i
            end
        end
        return oldest
    end

    -- `owed` is the weight that higher lanes took since a lower one had its share, while it waited. It is counted for
    -- each set of served lanes: those who serve no lower lane would else forgive what others owe it.
    local function take_in_lane_order()
        local owed, others, number, left = tonumber(seen.owed or "0"), RULES.share - 1, 1, room
        while left > 0 and number <= #lanes and turns_left > 0 do
            local lower = longest_waiting_below(number)
            local taken, weight = 0, 0
            if not head_of(number) then
                number = number + 1
            elseif not lower then
                taken = take(lanes[number], left, math.huge, number - 1)
                forget_head(number)
                number = number + 1
                owed = 0
            elseif owed >= others then
                taken, weight = take(lanes[lower], 1, math.huge, number - 1)
                forget_head(lower)
                owed = owed - others * weight
            else
                taken, weight = take(lanes[number], left, others - owed, number - 1)
                forget_head(number)
                owed = owed + weight
            end
            left = left - taken
        end
        return int(owed)
    end

    if room > 0 then
        note_change(owed_of(lanes), take_in_lane_order())
    end
    if top_room > 0 then
        take(lanes[1], top_room, math.huge, 0)
        forget_head(1)
    end
end

local is_waiting = false
for _, lane in ipairs(lanes) do
    is_waiting = is_waiting or depths[lane] ~= 0
end
if is_waiting then
    take_messages()
end
for lane, taken in pairs(taken_of) do
    local depth = depths[lane] - taken.count
    if taken.is_empty then
        note_change("weight:" .. lane, 0)
    else
        redis.call("HINCRBY", STATE, "weight:" .. lane, int(0 - taken.weight))
    end
    if depth < 0 or (taken.is_empty and depth > 0) then
        leave_recount(lane)
        leave_walk()
    end
    note_change("depth:" .. lane, taken.is_empty and 0 or int(depth))
end
if #changed > 0 then
    redis.call("HSET", STATE, unpack(changed))
end

local first_due = redis.call("ZRANGE", DELAYED, 0, 0, "WITHSCORES")
local result = { first_due[2] and math.max(0, tonumber(first_due[2]) - now_ms) or -1 }
if #ids > 0 then
    local leases, flights, lease_end = {}, {}, int(now_ms + RULES.lease_ms)
    local values = redis.call("HMGET", MESSAGES, unpack(ids))
    local histories = redis.call("HMGET", HISTORY, unpack(ids))
    for i, id in ipairs(ids) do
        if values[i] then
            local history, held, last = histories[i], #leases, #result
            leases[held + 1], leases[held + 2] = lease_end, id
            flights[held + 1], flights[held + 2] = id, token .. SEPARATOR .. positions[i]
            result[last + 1], result[last + 2], result[last + 3] = id, values[i], ranks[i]
            result[last + 4] = history and crashes_of(cjson.decode(history)) or 0
        end
    end
    if #leases > 0 then
        redis.call("ZADD", LEASES, unpack(leases))
        redis.call("HSET", FLIGHT, unpack(flights))
    end
end
-- Who takes messages may be busy when the next delayed one is due: somebody else must know of it.
local is_due_soon = #ids > 0 and result[1] >= 0 and result[1] < LISTEN_MS
for number, lane in ipairs(lanes) do
    if head_of(number) or is_due_soon then
        ring(lane)
    else
        redis.call("DEL", bell_of(lane))
    end
end
return result
