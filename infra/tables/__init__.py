"""Postgres, the truth: connections, named queries, migrations."""
