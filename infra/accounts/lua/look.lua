-- Looks at the gates of some accounts, and changes nothing.
--
-- KEYS     hashes of gates, as ask.lua keeps them
-- ARGV[1]  ramp_ms    ARGV[2]  ramp_calls
-- Result   for each gate {why, wait_ms, room}: why is "" for an open gate, "open" or "throttled" for a shut one,
--          with the time until it may be asked; room is how many pieces of work may come back at once: 1 to probe
--          with, the step of the ramp, or -1 without limit
--
-- If Redis is lost, all gates look open, and asking tells what holds.

local ramp_ms, ramp_calls = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local seen = {}
for place, key in ipairs(KEYS) do
    local stored = redis.call("HMGET", key, "open_until", "quiet_until", "ramp_from")
    local open_until, quiet_until = tonumber(stored[1] or "0"), tonumber(stored[2] or "0")
    local ramp_from = tonumber(stored[3] or "0")
    local room = -1
    if open_until > 0 then
        room = 1
    elseif ramp_from > 0 then
        local calls = 2 ^ math.min(30, math.floor(math.max(0, now - ramp_from) / ramp_ms))
        room = calls < ramp_calls and calls or -1
    end
    if quiet_until > now and quiet_until >= open_until then
        seen[place] = { "throttled", quiet_until - now, 0 }
    elseif open_until > now then
        seen[place] = { "open", open_until - now, 0 }
    else
        seen[place] = { "", 0, room }
    end
end
return seen
