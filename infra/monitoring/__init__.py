"""What is measured across processes, and what a person must hear of."""
