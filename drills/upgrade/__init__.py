"""Drill of an upgrade: workers of an earlier version and of this one, side by side, over a change of the schema."""
