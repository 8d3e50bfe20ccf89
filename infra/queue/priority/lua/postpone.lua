-- Puts a delivery off that this process has no actor for, until another has, or rejects it after a grace.
--
-- ARGV[2] id   ARGV[3] token
-- Result  "postponed", "rejected" or "lost"
--
-- If Redis is lost, the message is.

local id = ARGV[2]
local now_ms = math.floor(time_us() / 1000)
if not holds(redis.call("HGET", FLIGHT, id), ARGV[3]) then
    return "lost"
end
write_when_full()
local value, history = redis.call("HGET", MESSAGES, id), history_of(id)
if not value then
    forget(id)
    return "lost"
end
history.unknown_since_ms = history.unknown_since_ms or now_ms
if now_ms - history.unknown_since_ms >= RULES.unknown_actor_grace_ms then
    reject(id, value, "unknown_actor", now_ms, history)
    forget(id)
    return "rejected"
end
redis.call("HDEL", FLIGHT, id)
redis.call("ZREM", LEASES, id)
redis.call("HSET", HISTORY, id, cjson.encode(history))
redis.call("ZADD", DELAYED, int(now_ms + RULES.unknown_actor_retry_ms), id)
return "postponed"
