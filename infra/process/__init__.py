"""What one process needs of its machine: clock, randomness, memory, failpoints."""
