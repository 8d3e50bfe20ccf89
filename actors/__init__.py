"""The steps: one short module each, none knowing another. What follows what stands in `domain.states.STEPS`."""
