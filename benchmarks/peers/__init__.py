"""The same chain on plain Dramatiq and on plain Celery, to be measured against.

A peer has what a careful developer would write without an engine: a task names one step of one order, does it in
its own transaction (a remote step: intent, call, record) and sends the next message after the commit. Steps, rules,
adapters, statements, stores and sandbox are the project's own. It has no due rows, claims, leases, sweeper, gates or
lanes, so it is cheaper than a chain with our guarantees could be: a message lost with Redis is an order lost.
"""
