"""Ids in messages against late binding, on the real work table and broker: ``python -m benchmarks.binding``.

Both ways run the same chain of local steps that decide nothing: claim, finish, add the next step's work,
commit, enqueue. What differs is what a message says, and so how rows are claimed, who splits batches, and
how the sweeper heals a lost queue.
"""
