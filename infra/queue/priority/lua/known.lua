-- Which messages still wait, are delayed or are in flight.
--
-- ARGV[2..]  ids
-- Result     the known ones among them
--
-- Bound: 500 ids.
-- If Redis is lost, none is known, and the caller may enqueue them again.

local known = {}
for i = 2, #ARGV do
    if redis.call("HEXISTS", MESSAGES, ARGV[i]) == 1 then
        known[#known + 1] = ARGV[i]
    end
end
return known
