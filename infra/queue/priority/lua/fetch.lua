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
reap(now_ms)

local function promote()
    local due = redis.call("ZRANGEBYSCORE", DELAYED, "-inf", int(now_ms), "WITHSCORES", "LIMIT", 0, 200)
    if #due == 0 then
        return
    end
    local plan = {}
    for i = 1, #due, 2 do
        local value = redis.call("HGET", MESSAGES, due[i])
        redis.call("ZREM", DELAYED, due[i])
        if value then
            line_up(plan, due[i], value, tonumber(due[i + 1]) * 1000)
        end
    end
    carry_out(plan)
end
promote()

-- Each fair key that waits has a turn and a head. Where some were lost, those of the other kind tell of them.
local function mend(lane)
    local fairs, seen = redis.call("LRANGE", turns_of(lane), 0, -1), {}
    for _, fair in ipairs(redis.call("ZRANGE", heads_of(lane), 0, -1)) do
        fairs[#fairs + 1] = fair
    end
    redis.call("DEL", turns_of(lane), heads_of(lane))
    for _, fair in ipairs(fairs) do
        local first = redis.call("ZRANGE", line_of(lane, fair), 0, 0, "WITHSCORES")
        if first[2] and not seen[fair] then
            seen[fair] = true
            redis.call("RPUSH", turns_of(lane), fair)
            redis.call("ZADD", heads_of(lane), first[2], fair)
        elseif not first[2] then
            redis.call("HDEL", balance_of(lane), fair)
        end
    end
end
for _, lane in ipairs(lanes) do
    if redis.call("LLEN", turns_of(lane)) ~= redis.call("ZCARD", heads_of(lane)) then
        mend(lane)
    end
end

local ids, positions, ranks = {}, {}, {}

-- One turn: the next fair key of the lane, until its balance, `most` or `budget` is used up.
local function take_turn(lane, fair, balance, most, budget, rank)
    local line = line_of(lane, fair)
    local asked = math.min(most, math.ceil(math.min(balance, budget)))
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
    redis.call("ZREMRANGEBYRANK", line, 0, taken - 1)
    if found[taken * 2 + 1] then
        redis.call("ZADD", heads_of(lane), found[taken * 2 + 2], fair)
        redis.call("HSET", balance_of(lane), fair, int(balance))
    else
        redis.call("LPOP", turns_of(lane))
        redis.call("ZREM", heads_of(lane), fair)
        redis.call("HDEL", balance_of(lane), fair)
    end
    redis.call("HINCRBY", STATE, "depth:" .. lane, 0 - taken) -- the minus sign alone makes -0, which Redis refuses
    redis.call("HINCRBY", STATE, "weight:" .. lane, 0 - weight)
    return taken, weight
end

local function take(lane, most, budget, rank)
    local taken, weight = 0, 0
    while taken < most and weight < budget do
        local fair = redis.call("LINDEX", turns_of(lane), 0)
        if not fair then
            break
        end
        local balance = tonumber(redis.call("HGET", balance_of(lane), fair) or RULES.quantum)
        if balance > 0 then
            local count, load = take_turn(lane, fair, balance, most - taken, budget - weight, rank)
            taken = taken + count
            weight = weight + load
        else
            redis.call("LMOVE", turns_of(lane), turns_of(lane), "LEFT", "RIGHT")
            redis.call("HINCRBY", balance_of(lane), fair, RULES.quantum)
        end
    end
    return taken, weight
end

-- Position of the first message of each lane, false when nothing waits there; read again after a lane changed.
local heads = {}
local function head_of(number)
    if heads[number] == nil then
        local head = redis.call("ZRANGE", heads_of(lanes[number]), 0, 0, "WITHSCORES")
        heads[number] = head[2] and tonumber(head[2]) or false
    end
    return heads[number]
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
    local owed = tonumber(redis.call("HGET", STATE, owed_of(lanes)) or "0")
    local others, number, left = RULES.share - 1, 1, room
    while left > 0 and number <= #lanes do
        local lower = longest_waiting_below(number)
        local taken, weight = 0, 0
        if not head_of(number) then
            number = number + 1
        elseif not lower then
            taken = take(lanes[number], left, math.huge, number - 1)
            heads[number] = nil
            number = number + 1
            owed = 0
        elseif owed >= others then
            taken, weight = take(lanes[lower], 1, math.huge, number - 1)
            heads[lower] = nil
            owed = owed - others * weight
        else
            taken, weight = take(lanes[number], left, others - owed, number - 1)
            heads[number] = nil
            owed = owed + weight
        end
        left = left - taken
    end
    redis.call("HSET", STATE, owed_of(lanes), int(owed))
end

if room > 0 then
    take_in_lane_order()
end
if top_room > 0 then
    take(lanes[1], top_room, math.huge, 0)
    heads[1] = nil
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
