"""Duties that run on a clock, one duty a module: what events alone would leave undone."""
