-- Notes that a message which came back from a process that is gone is begun again: if this process dies too,
-- the crash is the message's own and not a neighbour's.
--
-- ARGV[2] id   ARGV[3] token
-- Result  1 when this is its last delivery, else 0
--
-- Bound: one id.
-- If Redis is lost, the suspicion is forgotten.

if not holds(redis.call("HGET", FLIGHT, ARGV[2]), ARGV[3]) then
    return 0
end
write_when_full()
local history = history_of(ARGV[2])
history.started = ARGV[3]
redis.call("HSET", HISTORY, ARGV[2], cjson.encode(history))
return 1
