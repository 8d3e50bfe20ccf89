"""Parts that one process needs: clock, randomness, memory, failpoints."""
