"""Orders a minute through the whole chain, and what an order costs: ``python -m benchmarks.chain``."""
