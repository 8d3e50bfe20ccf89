"""Whether a Redis answers. The client is imported inside the function, because it would be a third of the imports of a
command that lists something.
"""

from contextlib import closing

_TIMEOUT_S = 2.0


def pings(url: str) -> bool:
    """Whether the server at `url` answers within two seconds."""
    from redis import Redis, RedisError  # noqa: PLC0415 - said above

    with closing(Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
