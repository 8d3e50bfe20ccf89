"""Ids in messages against late binding, on the real work table and broker: ``python -m benchmarks.binding``.

Both ways run the same chain of local steps that decide nothing: claim, finish, add the next step's work,
commit, enqueue. They differ in the content of a message, and so in how rows are claimed, how batches are divided, and
how the sweeper restores a lost queue.
"""
