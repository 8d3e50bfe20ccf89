"""Whether a Redis answers. Its client is imported by whoever asks: it would be a third of what a listing imports."""

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
