"""What the chain's statements and calls cost by themselves: no queue, no due rows, no engine, no rules.

First the steps are played in a loop of one thread, in batches as the engine makes them, and what goes out is
recorded: every statement with its parameters, every request, every pause. Then the recording is replayed in a tight
loop on fresh stores and a fresh sandbox that plays the same stream: that is the floor. The play itself, with rules
and adapters, is measured too.
"""
