"""Workers that are far from Redis: ``python -m benchmarks.distance``."""
