"""The access rights that docs/reference/priority-broker.md asks for are enough, and none of them is too much."""

import re
from pathlib import Path

import dramatiq
import pytest
from dramatiq import Message, pipeline
from redis import Redis
from redis.exceptions import NoPermissionError

import infra.queue.priority
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import CallResults, SharedGates
from infra.queue.bells import BellKey, BrokerBells
from infra.queue.broker import make_broker as make_engine_broker
from infra.queue.priority import MessageTooLarge, PriorityBroker, QueueRules
from infra.queue.priority.scripts import FetchRequest

DOCUMENT = Path(__file__).parents[4] / "docs" / "reference" / "priority-broker.md"
QUEUE = "default"
CALL = re.compile(r'redis\.call\("([A-Z]+)"')
PASSWORD = "a-secret-of-the-test"
# What the broker calls outside of its scripts, for itself and through its client.
OWN = {"info", "evalsha", "script|load", "blpop", "hlen"}


def documented() -> list[str]:
    (block,) = re.findall(r"```\n(ACL SETUSER broker .*?)```", DOCUMENT.read_text(), re.DOTALL)
    return block.split()


def commands_of_scripts() -> set[str]:
    folder = Path(infra.queue.priority.__file__).parent / "lua"
    return {name.lower() for path in folder.glob("*.lua") for name in CALL.findall(path.read_text())}


def test_the_commands_are_those_that_are_called():
    granted = {word.removeprefix("+") for word in documented() if word.startswith("+")}
    assert granted == commands_of_scripts() | OWN


@pytest.fixture
def at(each_redis):
    """A broker that may do what the document says, and nothing else."""
    each_redis.execute_command(*(word.replace("PASSWORD", PASSWORD) for word in documented()))
    kwargs = each_redis.connection_pool.connection_kwargs
    client = Redis(unix_socket_path=kwargs["path"], username="broker", password=PASSWORD)
    rules = QueueRules(lease_ms=900, max_bytes=5_000, unknown_actor_grace_ms=1)
    broker = PriorityBroker(client=client, rules=rules)
    yield broker
    broker.close()
    client.close()
    each_redis.execute_command("ACL", "DELUSER", "broker")


def test_they_suffice_for_all_that_the_broker_offers(at, each_redis, run_worker, until, caplog):
    ran = []
    shaky_runs = []

    @dramatiq.actor(broker=at, min_backoff=1, max_backoff=1)
    def shaky():
        shaky_runs.append(1)
        if len(shaky_runs) == 1:
            raise ValueError("meant")

    note = dramatiq.actor(ran.append, actor_name="note", broker=at)
    fails = dramatiq.actor(lambda: 1 / 0, actor_name="fails", broker=at, max_retries=0)
    pair = [note.message("a"), note.message()]
    with pytest.raises(MessageTooLarge):
        at.enqueue(note.message("x" * 6_000))
    moved = note.message("moved")
    at.enqueue_many([moved, fails.message(), shaky.message(), Message(QUEUE, "unknown", (), {}, {})])
    at.enqueue(note.message("delayed"), delay=50)
    pipeline(pair, broker=at).run()
    assert at.change_lane(QUEUE, [moved.message_id], "p0") == 1
    assert at.known(QUEUE, [moved.message_id])
    # Somebody who fetched and was killed: what it had comes back by the end of its lease.
    scripts = at._scripts_of(QUEUE)
    scripts.beat("gone", [])
    assert len(scripts.fetch(FetchRequest("gone:1", 1, 0, at.lanes), ())[1]) == 1
    run_worker(at)
    at.join(QUEUE, timeout=20_000)
    until(lambda: len(ran) >= 4)
    assert len(shaky_runs) == 2
    assert {found.reason for found in at.rejected(QUEUE)} >= {"too_large", "failed"}
    ids = [found.message_id for found in at.rejected(QUEUE)]
    assert at.redrive(QUEUE, ids[:1]) == 1
    at.discard(QUEUE, ids[1:])
    at.acknowledge_dropped(QUEUE, 1)
    at.flush_all()
    assert at.stats(QUEUE).in_flight == 0
    # Scripts are loaded again by a user with the rights.
    each_redis.script_flush()
    at.enqueue(note.message("after"))
    assert "NOPERM" not in caplog.text


def test_with_a_little_more_they_suffice_for_orderlane(each_redis):
    rights = documented()
    text = DOCUMENT.read_text()
    assert "its gates add\n`~orderlane:gate:* +pexpire`" in text
    each_redis.execute_command(
        *(word.replace("PASSWORD", PASSWORD).replace("{priority:", "{orderlane:") for word in rights),
        "~orderlane:gate:*",
        "+pexpire",
        "+ping",
    )
    path = each_redis.connection_pool.connection_kwargs["path"]
    with Redis(unix_socket_path=path, username="broker", password=PASSWORD) as client:
        assert client.ping()
        gates, rules = SharedGates(client), GateRules(rate_per_s=1.0, burst=5)
        gates.ask("sf/main", 1, CallResults(failed=1), rules)
        gates.look(["sf/main"], rules)
        gates.at_their_rate(["sf/main"])
        gates.forget("sf/main")
        BrokerBells(make_engine_broker(client, ("p0", "p1"))).ring([BellKey("review", "p1", "")])
    each_redis.execute_command("ACL", "DELUSER", "broker")


def test_other_keys_and_commands_are_out_of_reach(at):
    for call in (lambda: at.client.get("other"), at.client.flushall, lambda: at.client.hlen("other")):
        with pytest.raises(NoPermissionError):
            call()
