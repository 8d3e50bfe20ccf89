"""The purge by age and the erasure of one person."""
