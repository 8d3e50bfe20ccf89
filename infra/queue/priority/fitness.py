"""Checks at the start whether a client, a namespace and a server can carry the broker, so that no message is lost
later.
"""

import logging
import re

from redis import Redis
from redis.exceptions import RedisError

NO_EVICTION = "noeviction"
_NAMESPACE = re.compile(r"[^\s:{}]+")

log = logging.getLogger(__name__)


class Unfit(ValueError):
    """A client, namespace or server that the broker cannot work with."""


def check_namespace(namespace: str) -> None:
    """Raise Unfit for a namespace with which two queues could have the same keys, {a:b:c} for instance."""
    if not _NAMESPACE.fullmatch(namespace):
        raise Unfit(f"the namespace {namespace!r} must be a name without colons, braces and blanks")


def check_client(client: Redis) -> None:
    """Raise Unfit for a client that decodes what Redis answers, or that waits for an answer for ever."""
    if client.get_encoder().decode_responses:
        raise Unfit("the client must leave answers as they are (decode_responses=False): messages are bytes")
    if not client.connection_pool.connection_kwargs.get("socket_timeout", True):
        raise Unfit(
            "the client needs a socket_timeout: without one it waits for ever on a connection whose other end is gone"
        )


def connections_needed(queues: int, threads: int) -> int:
    """What a worker process may use at the same time.

    Each queue's consumer waits for its bell on one, each thread may send or end a message, and the heartbeat must
    never have to wait for any of them.
    """
    return queues + threads + 1


def check_connections(client: Redis, queues: int, threads: int) -> None:
    """Raise Unfit when the client's pool is too small for a worker: its leases would run out while it lives."""
    most, needed = client.connection_pool.max_connections, connections_needed(queues, threads)
    if most < needed:
        raise Unfit(
            f"the client's pool has {most} connections and this worker needs {needed}: one for each of {queues} queues,"
            f" one for each of {threads} threads, one for the heartbeat"
        )


def check_server(client: Redis) -> None:
    """Raise Unfit for a Redis Cluster, and warn of a server that evicts keys. A server that does not answer is not
    checked.
    """
    try:
        found = client.info()
    except RedisError as error:
        log.info("Redis does not say how it is set up: %s", error)
        return
    if found.get("cluster_enabled"):
        raise Unfit("this Redis is a node of a cluster, which is not supported: use a primary with replicas")
    policy = found.get("maxmemory_policy", NO_EVICTION)
    if policy != NO_EVICTION:
        log.warning("maxmemory-policy is %s: a full Redis will drop messages. Set it to %s.", policy, NO_EVICTION)
