"""The step engine: claims due work, runs a step over a batch, settles the outcomes, isolates poison."""
