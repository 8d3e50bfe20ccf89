"""A surge of orders against a pool that follows it: ``python -m benchmarks.burst``."""
