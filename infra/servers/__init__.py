"""The private Postgres and Redis that run beside the application when no URL is configured.

`open_stores` is for commands: it takes what is configured, attaches to a running instance, or starts
one. `Stores` is for the process tree's owner, which also checks and restarts the servers.
"""

from infra.servers.instance import Connection, EmbeddedStores, open_stores

__all__ = ["Connection", "EmbeddedStores", "open_stores"]
