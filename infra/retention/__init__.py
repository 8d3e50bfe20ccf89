"""Forgetting: the purge by age and the erasure of one person."""
