"""Duties that run on a schedule, one module for each: work that no event starts."""
