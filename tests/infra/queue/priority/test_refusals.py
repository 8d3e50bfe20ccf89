"""Which refusals say that another server may be in charge, and which connections are dropped then."""

from unittest.mock import Mock

import pytest
from dramatiq.errors import ConnectionClosed
from redis.exceptions import (
    BusyLoadingError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from infra.queue.priority.refusals import ask, drop_connections

SCRIPT = "Error running script (call to f_0): @user_script:9: @user_script: 9:"
PIPELINE = "Command # 1 (BLPOP a 1) of pipeline caused error:"
HANDED_OVER = [
    ReadOnlyError("You can't write against a read only replica."),
    ResponseError(f"{SCRIPT} -READONLY You can't write against a read only replica."),
    MasterDownError("Link with MASTER is down"),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
    ResponseError(f"{PIPELINE} NOREPLICAS Not enough good replicas to write."),
    ResponseError(f"{PIPELINE} UNBLOCKED force unblock from blocking operation, instance state changed"),
]
THE_SAME_SERVER = [
    OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    ResponseError("MISCONF Errors writing to the AOF file"),
    ResponseError("BUSY Redis is busy running a script."),
    RedisTimeoutError("Timeout reading from socket"),
    RedisConnectionError("Connection closed by server."),
    ResponseError("ERR the fair key READONLY is none of theirs"),
]


@pytest.mark.parametrize("error", HANDED_OVER)
def test_a_server_that_handed_over_is_asked_for_once_more_over_a_new_connection(error):
    client, call = Mock(), Mock(side_effect=[error, "done"])
    assert ask(client, call) == "done"
    client.connection_pool.disconnect.assert_called_once_with(inuse_connections=False)


@pytest.mark.parametrize("error", HANDED_OVER)
def test_one_that_is_still_the_same_is_a_lost_connection_and_dropped_again(error):
    client, call = Mock(), Mock(side_effect=error)
    with pytest.raises(ConnectionClosed):
        ask(client, call)
    assert (call.call_count, client.connection_pool.disconnect.call_count) == (2, 2)


def test_one_that_loads_keeps_no_connection_and_not_asked_again_here():
    """redis-py has repeated that already, as often as the client says."""
    client, call = Mock(), Mock(side_effect=BusyLoadingError("Redis is loading the dataset in memory"))
    with pytest.raises(ConnectionClosed):
        ask(client, call)
    assert (call.call_count, client.connection_pool.disconnect.call_count) == (1, 1)


@pytest.mark.parametrize("error", THE_SAME_SERVER)
def test_where_another_connection_would_hear_the_same_none_is_dropped(error):
    client = Mock()
    assert not drop_connections(client, error)
    assert not client.connection_pool.disconnect.called


def test_what_others_use_is_not_dropped_under_them(redis):
    pool = redis.connection_pool
    used, idle = pool.get_connection(), pool.get_connection()
    pool.release(idle)
    assert drop_connections(redis, ReadOnlyError("read only"))
    assert used.is_connected
    assert not idle.is_connected
    pool.release(used)
