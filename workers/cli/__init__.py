"""The commands of ``orderlane``, one module each: they read options, call a verb of `ops`, show its face."""
