"""The priority broker against Dramatiq's Redis broker and Celery: ``python -m benchmarks.broker``.

Messages that do nothing, so that what is left is the broker's own cost. Dramatiq runs at its defaults and at the
best settings found for it; the priority broker runs at its defaults, with lanes, fair turns and leases in use.
"""
