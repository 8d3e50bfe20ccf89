"""What a house with nothing to do uses: ``python -m benchmarks.idle``."""
