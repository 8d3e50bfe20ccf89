"""What the Postgres server says of itself."""

from infra.tables.sql import load

SERVER = load("server")
