"""``orderlane demo``: the whole chain on private stores against the sandbox, with three ledgers compared."""
