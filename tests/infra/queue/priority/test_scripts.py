"""The package stands alone, and its scripts say what they do."""

import ast
import re
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from dramatiq import Message
from dramatiq.errors import BrokerConnectionError
from redis import Redis
from redis.exceptions import MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

import infra.queue.priority
from infra.queue.priority import QueueRules
from infra.queue.priority.refusals import ask
from infra.queue.priority.scripts import CHUNK_BYTES, NAMES, SHARED, QueueEntry, Scripts, batches

FOLDER = Path(infra.queue.priority.__file__).parent
ALLOWED = {"dramatiq", "redis", "infra.queue.priority", *sys.stdlib_module_names}


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def is_allowed(name: str) -> bool:
    return name.partition(".")[0] in ALLOWED or name.startswith("infra.queue.priority")


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_it_imports_none_of_our_other_rooms(file):
    assert {name for name in imported(file) if not is_allowed(name)} == set()


def test_every_script_is_called_and_has_a_header():
    assert {file.stem for file in (FOLDER / "lua").glob("*.lua")} == {*NAMES, *SHARED}
    for name in NAMES:
        header = re.match(r"(--.*\n)+", (FOLDER / "lua" / f"{name}.lua").read_text())
        assert header
        assert "Result" in header[0]
        assert "Bound: " in header[0]
        assert "If Redis is lost" in header[0]


def test_all_keys_of_a_queue_lie_in_one_slot(each_redis: Redis):
    scripts = Scripts(each_redis, "shop", "work", QueueRules())
    scripts.beat("process:1", [])
    scripts.stats(["p0"])
    keys = each_redis.keys()
    assert keys
    assert all(key.startswith(b"{shop:work}:") for key in keys)


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([], []),
        ([1] * 1001, [500, 500, 1]),
        ([CHUNK_BYTES // 4] * 9, [4, 4, 1]),
        ([1, CHUNK_BYTES * 2, 1, 1], [1, 1, 2]),
    ],
)
def test_a_call_carries_so_many_messages_and_bytes_and_at_least_one(sizes, wanted):
    entries = [QueueEntry(str(number), -1, bytes(size)) for number, size in enumerate(sizes)]
    found = list(batches(entries))
    assert [len(batch) for batch in found] == wanted
    assert [entry for batch in found for entry in batch] == entries


def test_large_messages_keep_redis_from_nobody_for_long(make_broker, monkeypatch):
    enqueue, calls = Scripts.enqueue, []
    monkeypatch.setattr(Scripts, "enqueue", lambda *args: calls.append(len(args[3])) or enqueue(*args))
    monkeypatch.setattr("infra.queue.priority.scripts.CHUNK_BYTES", 1000)
    broker = make_broker()
    broker.enqueue_many([Message("work", "note", ("x" * 300,), {}, {}) for _ in range(5)])
    assert calls == [2, 2, 1]
    assert broker.stats("work").lanes["bulk"].waiting == 5


SCRIPT = "Error running script (call to f_0): @user_script:9:"


@pytest.mark.parametrize(
    "error",
    [
        RedisTimeoutError(),
        ReadOnlyError(),
        MasterDownError("Link with MASTER is down"),
        OutOfMemoryError("command not allowed"),
        ResponseError("MISCONF Errors writing to the AOF file"),
        ResponseError("BUSY Redis is busy running a script."),
        ResponseError(f"{SCRIPT} @user_script: 9: -NOREPLICAS Not enough good replicas to write."),
        ResponseError("Command # 1 (BLPOP a 1) of pipeline caused error: UNBLOCKED force unblock"),
    ],
)
def test_a_redis_that_is_late_failed_over_or_takes_nothing_is_a_lost_connection(error):
    with pytest.raises(BrokerConnectionError):
        ask(Mock(), Mock(side_effect=error))


@pytest.mark.parametrize("text", [f"{SCRIPT} attempt to index a nil value", "BUSYKEY Target key name already exists."])
def test_what_redis_will_never_do_is_no_lost_connection(text):
    with pytest.raises(ResponseError):
        ask(Mock(), Mock(side_effect=ResponseError(text)))
