-- Settles what a process has heard from an account since it last asked, then grants it calls.
--
-- KEYS[1]  hash of the account's gate
-- ARGV[1]  calls wanted; 0 only reports
-- ARGV[2]  epoch of the grant that the outcomes belong to; those of any other epoch are ignored
-- ARGV[3]  calls that came through    ARGV[4]  calls that failed    ARGV[5]  granted calls given back unused
-- ARGV[6]  ms for which the account asked to be left alone; 0 if it did not
-- ARGV[7..12]  Rules.encode(): failures_max, open_ms, ramp_ms, ramp_calls, rate in calls/1000 s, burst
-- Result   {granted, epoch, why, wait_ms, now_ms}; why is "" for a free gate, else what limits the grant:
--          "probe", "ramp", "rate", "open" or "throttled"; wait_ms is when to ask again if nothing was granted
--
-- `refused_at` is when somebody last found the bucket empty: what waits then, waits for the rate.
--
-- Times are Redis's own, in ms. An absent hash is a closed breaker with an empty bucket: so after a loss of
-- Redis the breaker has to fail again to open, and the bucket refills from nothing. A grant of an open breaker
-- is one call, and re-arms the breaker at once: one probe in each interval, whatever becomes of the prober.

local FIELDS = { "epoch", "failures", "open_until", "ramp_from", "ramp_slot", "ramp_used", "quiet_until", "tokens", "filled",
    "refused_at" }
local FORGET_MS = 3600000

local key, arg = KEYS[1], {}
for place, value in ipairs(ARGV) do
    arg[place] = tonumber(value)
end
local want, epoch, passed, failed, unused, quiet_ms = arg[1], arg[2], arg[3], arg[4], arg[5], arg[6]
local failures_max, open_ms, ramp_ms, ramp_calls, rate, burst = arg[7], arg[8], arg[9], arg[10], arg[11], arg[12]

local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local stored = redis.call("HMGET", key, unpack(FIELDS))
local gate, is_changed = {}, false
for place, name in ipairs(FIELDS) do
    gate[name] = tonumber(stored[place] or "0")
end

local function set(name, value)
    is_changed = is_changed or gate[name] ~= value
    gate[name] = value
end
local function begin_epoch()
    set("epoch", math.max(gate.epoch + 1, now))
    set("failures", 0)
end
local function open()
    begin_epoch()
    set("open_until", now + open_ms)
    set("ramp_from", 0)
end
local function close()
    begin_epoch()
    set("open_until", 0)
    set("ramp_from", now)
    set("ramp_slot", 0)
    set("ramp_used", 0)
end

if rate > 0 then
    if gate.filled == 0 then
        set("filled", now)
    end
    -- Tokens are millionths of a call: ms x calls/1000 s.
    local earned = math.max(0, now - gate.filled) * rate
    set("tokens", math.min(burst * 1000000, gate.tokens + earned + unused * 1000000))
    set("filled", math.max(now, gate.filled))
end

if epoch == gate.epoch and passed + failed > 0 then
    if gate.open_until > 0 then
        if failed > 0 then
            open()
        else
            close()
        end
    else
        if passed > 0 then
            set("failures", 0)
        end
        set("failures", gate.failures + failed)
        -- On the way back one failure is enough.
        if gate.failures >= failures_max or (failed > 0 and gate.ramp_from > 0) then
            open()
        end
    end
end
if quiet_ms > 0 then
    set("quiet_until", math.max(gate.quiet_until, now + quiet_ms))
    set("tokens", 0)
end

local room, why, wait_ms = want, "", 0
local function limit(calls, reason, ms)
    if calls < room or (calls == 0 and ms > wait_ms) then
        room, why, wait_ms = calls, reason, ms
    end
end
if gate.ramp_from > 0 then
    local slot = math.floor(math.max(0, now - gate.ramp_from) / ramp_ms)
    if slot >= 30 or 2 ^ slot >= ramp_calls then
        set("ramp_from", 0)
    else
        if slot ~= gate.ramp_slot then
            set("ramp_slot", slot)
            set("ramp_used", 0)
        end
        limit(2 ^ slot - gate.ramp_used, "ramp", gate.ramp_from + (slot + 1) * ramp_ms - now)
    end
end
if rate > 0 then
    if want > 0 and gate.tokens < 1000000 then
        set("refused_at", now)
    end
    limit(math.floor(gate.tokens / 1000000), "rate", math.ceil((1000000 - gate.tokens) / rate))
end
if gate.open_until > now then
    limit(0, "open", gate.open_until - now)
elseif gate.open_until > 0 then
    limit(1, "probe", open_ms)
end
if gate.quiet_until > now then
    limit(0, "throttled", gate.quiet_until - now)
end

local granted = math.max(0, math.min(want, room))
if granted > 0 then
    wait_ms = 0
    if rate > 0 then
        set("tokens", gate.tokens - granted * 1000000)
    end
    if gate.ramp_from > 0 then
        set("ramp_used", gate.ramp_used + granted)
    end
    if gate.open_until > 0 then
        begin_epoch()
        set("open_until", now + open_ms)
        why = "probe"
    end
end

if is_changed then
    local values = {}
    for _, name in ipairs(FIELDS) do
        values[#values + 1] = name
        values[#values + 1] = string.format("%.0f", gate[name])
    end
    redis.call("HSET", key, unpack(values))
    redis.call("PEXPIRE", key, FORGET_MS)
end
return { granted, gate.epoch, why, math.max(0, wait_ms), now }
