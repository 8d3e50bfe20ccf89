-- Settles finished deliveries when nothing is to be fetched.
--
-- ARGV[2..]  groups: token, reason, how many, their ids; an empty reason is done, any other rejects them
-- Result     how many of them were still the last delivery of their message
--
-- Bound: 500 ids.
-- If Redis is lost before, finished messages are lost with it: nothing is left to settle.

return settle(2, math.floor(time_us() / 1000))
