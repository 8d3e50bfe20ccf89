"""CPU and memory of an instance without orders: ``python -m benchmarks.idle``."""
