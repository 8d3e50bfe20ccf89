import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.alarms import AlarmKind
from domain.errors import Misconfigured, Throttled, Transient
from domain.gates import PAUSED, GateKind, GateShut
from infra.accounts.gates import Room
from infra.queue.bells import BellKey
from infra.tables.gates import GATES, load_pauses

KEY = BellKey("label", "bulk", "sf/main")
SICK = Transient("connection_failed")


class Door:
    """An account that answers as the test says."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return "answer"


def pause(world, kind, name, until=None):
    named = {"kind": kind, "name": name, "reason": "tests", "by": "mei", "until": until}
    with world.db.connection() as connection:
        connection.execute(GATES["shut_by_person"], named)


def pauses(world):
    with world.db.connection() as connection:
        return load_pauses(connection)


def let_probe(world):
    with world.db.connection() as connection:
        connection.execute("UPDATE gate SET probe_at = now() - interval '1 second'")


def room(gates, key=KEY):
    with gates.entry(key, 50) as found:
        return found.subjects


async def test_a_call_goes_through_an_open_gate(world):
    assert await world.gates().call("sf/main", Door()) == "answer"


async def test_a_sick_account_is_not_called_and_others_are(world):
    gates, sick, well = world.gates("sf/main", "yto/a", failures_max=3), Door(SICK), Door()
    for _ in range(10):
        with pytest.raises((Transient, GateShut)):
            await gates.call("sf/main", sick)
    assert sick.calls == 3
    assert await gates.call("yto/a", well) == "answer"
    assert (room(gates), room(gates, BellKey("label", "bulk", "yto/a"))) == (0, 50)


@pytest.mark.parametrize(
    ("kind", "name"), [(GateKind.ACCOUNT, "sf/main"), (GateKind.LANE, "bulk"), (GateKind.STEP, "label")]
)
def test_paused_work_is_not_claimed(world, kind, name):
    pause(world, kind, name)
    assert room(world.gates()) == 0
    assert room(world.gates("yto/a"), BellKey("route", "p0", "")) == 50


def test_a_pause_is_heard_within_a_second_and_ends_by_itself(make_world, database, stepped_clock):
    world = make_world(db=database, clock=stepped_clock)
    gates = world.gates()
    assert room(gates) == 50
    pause(world, GateKind.STEP, "label", until="2099-01-01T00:00:00Z")
    stepped_clock.at += 1.1
    assert room(gates) == 0
    with world.db.connection() as connection:
        connection.execute("UPDATE gate SET until = now()")
    stepped_clock.at += 1.1
    assert room(gates) == 50


async def test_a_paused_account_is_not_called_from_other_steps_either(world):
    pause(world, GateKind.ACCOUNT, "sf/main")
    gates, door = world.gates(), Door()
    with pytest.raises(GateShut, match="paused"):
        await gates.call("sf/main", door)
    assert door.calls == 0


async def test_wrong_credentials_pause_the_account_once_with_one_alarm(world, capsys):
    gates, error = world.gates(), Misconfigured("http_401")
    answers = await asyncio.gather(*(gates.call("sf/main", Door(error)) for _ in range(16)), return_exceptions=True)
    assert {type(answer) for answer in answers} <= {Misconfigured, GateShut}
    assert error.facts[PAUSED] == "sf/main"
    [one] = pauses(world)
    assert (one.kind, one.name, one.reason, one.shut_by) == ("account", "sf/main", "http_401", "engine")
    assert capsys.readouterr().out.count("account_paused") == 1
    assert room(gates) == 0


async def test_one_subject_in_each_interval_tries_whether_the_account_works_again(world):
    gates, others = world.gates(), [world.gates() for _ in range(3)]
    with pytest.raises(Misconfigured):
        await gates.call("sf/main", Door(Misconfigured("http_401")))
    assert room(others[0]) == 0, "not before the first interval is over"
    let_probe(world)
    for each in (gates, *others):
        each._pauses._forget()
    with ThreadPoolExecutor(4) as pool:
        entries = [each.entry(KEY, 50) for each in (gates, *others)]
        rooms = list(pool.map(lambda entry: entry.__enter__(), entries))
    assert sorted(found.subjects for found in rooms) == [0, 0, 0, 1]
    assert sorted(found.is_probe for found in rooms) == [False, False, False, True]
    prober = (gates, *others)[[found.subjects for found in rooms].index(1)]
    assert await prober.call("sf/main", Door()) == "answer"
    for entry in entries:
        entry.__exit__(None, None, None)
    assert pauses(world) == ()
    assert room(prober) == 50


async def test_a_probe_that_is_refused_again_leaves_it_shut_without_another_alarm(world, capsys):
    gates = world.gates()
    with pytest.raises(Misconfigured):
        await gates.call("sf/main", Door(Misconfigured("http_401")))
    let_probe(world)
    gates._pauses._forget()
    with gates.entry(KEY, 50) as found:
        assert found == Room(1, is_probe=True)
        with pytest.raises(Misconfigured):
            await gates.call("sf/main", Door(Misconfigured("http_401")))
    assert room(gates) == 0
    with pytest.raises(GateShut):
        await gates.call("sf/main", Door())
    assert capsys.readouterr().out.count("account_paused") == 1


def test_the_pause_of_a_person_is_not_probed(world):
    pause(world, GateKind.ACCOUNT, "sf/main")
    world.pauses().reopen("sf/main")
    assert room(world.gates()) == 0
    assert len(pauses(world)) == 1


def test_a_slow_account_leaves_threads_for_the_others(world):
    gates = world.gates("sf/main", "yto/a", batches_max=2)
    with gates.entry(KEY, 50) as first, gates.entry(KEY, 50) as second:
        assert (first.subjects, second.subjects) == (50, 50)
        assert room(gates) == 0
        assert room(gates, BellKey("label", "bulk", "yto/a")) == 50
        assert world.bells.keys == []
    assert world.bells.keys == [KEY], "whoever was turned away is rung for"
    assert room(gates) == 50


async def test_a_healthy_batch_reads_the_pauses_once_and_asks_redis_once(make_world, database, counted, stepped_clock):
    gates = make_world(shared=counted, db=database, clock=stepped_clock).gates()
    statements = database.counts.statements
    with gates.entry(KEY, 50) as found:
        assert found.subjects == 50
        await asyncio.gather(*(gates.call("sf/main", Door()) for _ in range(3 * 50)))
    with gates.entry(KEY, 50) as found:
        assert found.subjects == 50
    assert counted.asked == 1
    assert database.counts.statements - statements == 1


THROTTLED = Throttled("http_429", after_s=60.0)


def throttled_alarms(world):
    with world.db.connection() as connection:
        query = "SELECT key, owner FROM alarm WHERE kind = %s AND closed_at IS NULL"
        return connection.execute(query, [AlarmKind.ACCOUNT_THROTTLED]).fetchall()


async def test_an_account_that_refuses_every_call_for_an_hour_has_an_owner(make_world, database, stepped_clock, redis):
    """None of its calls spends an attempt: without an alarm its work comes back for ever, and nobody hears of it."""
    world = make_world(db=database, clock=stepped_clock)
    gates = world.gates()
    for minute in range(61):
        assert throttled_alarms(world) == [], minute
        redis.flushdb()
        with pytest.raises(Throttled):
            await gates.call("sf/main", Door(THROTTLED))
        stepped_clock.at += 60.0
    assert throttled_alarms(world) == [("sf/main", "engineering")]


async def test_an_account_that_answers_in_between_has_only_many_callers(make_world, database, stepped_clock, redis):
    world = make_world(db=database, clock=stepped_clock)
    gates = world.gates()
    for minute in range(90):
        redis.flushdb()
        with pytest.raises(Throttled):
            await gates.call("sf/main", Door(THROTTLED))
        if minute == 45:
            redis.flushdb()
            stepped_clock.at += 5.0
            assert await gates.call("sf/main", Door()) == "answer"
        stepped_clock.at += 60.0
    assert throttled_alarms(world) == []
