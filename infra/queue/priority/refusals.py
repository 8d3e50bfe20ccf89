"""Temporary refusals of Redis, and the handling of connections to a server that is no longer the primary.

After a planned failover the old primary lives on as a replica, and with it every connection to it: it refuses each
write, and a pool would hand that connection out again for ever. So the idle ones are dropped, and the next use
opens a new connection, to the server that has the address at that moment.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from dramatiq.errors import ConnectionClosed
from redis import Redis
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

Answer = TypeVar("Answer")

# redis-py has classes for some of what a server says. The other refusals are known by their text: a script of Redis 6.2
# says them behind the line that stopped, and a pipeline behind the command.
_SAID = r"(?:^|caused error: |: -)(?:{}) "

# It is full, not durable or busy: another connection would hear the same.
_REFUSALS = (OutOfMemoryError, ClusterDownError, TryAgainError)
_REFUSED = re.compile(_SAID.format("OOM|MISCONF|BUSY"))

# It is a replica, cut off from its replicas, or loads what another sent: the primary may be another by now.
_HANDED_OVER = (ReadOnlyError, MasterDownError, BusyLoadingError)
_SAYS_HANDED_OVER = re.compile(_SAID.format("READONLY|MASTERDOWN|NOREPLICAS|UNBLOCKED|LOADING"))


def ask(client: Redis, call: Callable[[], Answer]) -> Answer:
    """Call Redis, and once more over a new connection when the server is no longer in charge: it has done nothing.

    Raises Dramatiq's ConnectionClosed for a Redis that is away, answers late, or refuses what it will take later. A
    script that Redis can never run raises ResponseError, because repeating it would never succeed.
    """
    try:
        try:
            return call()
        except ResponseError as error:
            if not drop_connections(client, error):
                raise
        return call()
    except (RedisConnectionError, RedisTimeoutError, ResponseError) as error:
        is_handed_over = drop_connections(client, error)
        if isinstance(error, ResponseError) and not (is_handed_over or _is_refusal(error)):
            raise
        raise ConnectionClosed(str(error)) from error  # type: ignore[no-untyped-call] # Dramatiq leaves it untyped


def drop_connections(client: Redis, error: RedisError) -> bool:
    """Drop the idle connections when the error says that the server is not in charge. Returns whether it does.

    The one that said so is idle again by now; those in use are dropped when they hear it themselves.
    """
    if not (isinstance(error, _HANDED_OVER) or _SAYS_HANDED_OVER.search(str(error))):
        return False
    client.connection_pool.disconnect(inuse_connections=False)
    return True


def _is_refusal(error: ResponseError) -> bool:
    return isinstance(error, _REFUSALS) or bool(_REFUSED.search(str(error)))
