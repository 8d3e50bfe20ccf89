"""Whose fault is it? One subject's error accuses its account; only several subjects prove it."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Malformed, Misconfigured, Refused, Transient
from domain.gates import ALONE, PAUSED, FaultKind, GateShut
from infra.accounts.repeats import may_repeat
from infra.accounts.shared_breaker import PREFIX
from infra.queue.bells import BellKey
from infra.tables.gates import note_spent

ACCOUNT = "sf/main"
KEY = BellKey("label", "bulk", ACCOUNT)


class Server:
    """An account that answers each subject as the test says."""

    def __init__(self, world, **rules):
        self.world, self.gates = world, world.gates(**rules)
        self.poison = {}
        self.called = []

    async def ask(self, about):
        """The error, or None."""

        async def make():
            self.called.append(about)
            if about in self.poison:
                error = self.poison[about]()
                raise error

        try:
            await self.gates.call(ACCOUNT, make, about)
        except (Misconfigured, Malformed, Refused, Transient, GateShut) as error:
            return error
        return None


@pytest.fixture
def server(world):
    return Server(world)


def forbidden():
    return Misconfigured("http_403")


def garbage():
    return Malformed("not_json")


def gate(world):
    return world.rows_of("SELECT reason, shut_by FROM gate")


@pytest.fixture(autouse=True)
def rows_of(world):
    def read(query, *values):
        with world.db.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    world.rows_of = read


async def test_one_subject_s_403_never_pauses_its_account(server, world):
    server.poison["R1"] = forbidden
    for number in range(2, 20):
        error = await server.ask("R1")
        assert PAUSED not in error.facts
        assert await server.ask(f"R{number}") is None
    assert gate(world) == []


async def test_control_the_same_error_in_a_call_about_nothing_pauses_at_once(server, world):
    server.poison[None] = forbidden
    error = await server.ask(None)
    assert error.facts[PAUSED] == ACCOUNT
    assert gate(world) == [("http_403", "engine")]


async def test_three_subjects_without_a_success_between_pause_the_account(server, world, capsys):
    server.poison |= dict.fromkeys(("R1", "R2", "R3"), forbidden)
    errors = [await server.ask(about) for about in ("R1", "R1", "R2", "R2", "R3")]
    assert [PAUSED in error.facts for error in errors] == [False] * 4 + [True]
    assert gate(world) == [("http_403", "engine")]
    assert isinstance(await server.ask("R4"), GateShut)
    assert capsys.readouterr().out.count("account_paused") == 1


async def test_a_success_between_two_accusers_clears_them(server, world):
    server.poison |= dict.fromkeys(("R1", "R2", "R3"), forbidden)
    for about in ("R1", "R2", "well", "R3", "R1", "R2"):
        await server.ask(about)
    assert gate(world) == []
    assert (await server.ask("R1")).facts[ALONE], "others came through since it accused the account before"


async def test_what_fails_while_others_succeed_proves_nothing_and_counts_later(server, world):
    """Calls of one batch run together: each success counts against each failure."""
    server.poison |= dict.fromkeys(("R1", "R2", "R3", "R4"), forbidden)
    under_way = asyncio.Barrier(5)
    arrived = asyncio.Event()

    async def slow(about):
        async def make():
            await under_way.wait()
            await arrived.wait()
            raise forbidden()

        with pytest.raises(Misconfigured) as caught:
            await server.gates.call(ACCOUNT, make, about)
        return caught.value

    async def well():
        await under_way.wait()
        assert await server.ask("well") is None
        arrived.set()

    *errors, _ = await asyncio.gather(*(slow(about) for about in ("R1", "R2", "R3", "R4")), well())
    assert [PAUSED in error.facts for error in errors] == [False] * 4
    assert gate(world) == []
    for about in ("R1", "R2", "R3"):
        await server.ask(about)
    assert gate(world) == [("http_403", "engine")], "without a success meanwhile they prove it"


async def test_a_refusal_for_business_reasons_is_a_success(server, world):
    server.poison |= {"R1": forbidden, "R2": forbidden, "R3": forbidden, "refused": lambda: Refused("no_service")}
    for about in ("R1", "R2", "refused", "R3"):
        await server.ask(about)
    assert gate(world) == []


async def test_accusations_of_more_than_five_minutes_ago_prove_nothing(server, world):
    server.poison |= dict.fromkeys(("R1", "R2", "R3"), forbidden)
    await server.ask("R1")
    await server.ask("R2")
    world.rows_of("UPDATE accusation SET made_at = made_at - interval '6 minutes'")
    assert PAUSED not in (await server.ask("R3")).facts


async def test_what_is_older_than_a_day_is_forgotten(server, world):
    for charge in ("credentials", "content"):
        world.rows_of(
            """INSERT INTO accusation (account, charge, subject, code, made_at)
               VALUES ('yto/a', %s, 'old', 'x', now() - interval '25 hours')""",
            charge,
        )
    world.rows_of("""INSERT INTO spent_attempt (account, charge, step, subject_id, attempts, spent_at)
                     VALUES ('yto/a', 'content', 'label', 1, 1, now() - interval '25 hours')""")
    server.poison["R" * 10_000] = forbidden
    await server.ask("R" * 10_000)
    assert world.rows_of("SELECT account, length(subject) FROM accusation") == [(ACCOUNT, 128)]
    assert world.rows_of("SELECT * FROM spent_attempt") == []


@pytest.mark.parametrize("about", ["", "\0", "\ud83d", "甲" * 5_000, "'; DROP TABLE gate; --"])
async def test_whatever_a_platform_calls_its_order_can_accuse(server, world, about):
    server.poison[about] = forbidden
    assert isinstance(await server.ask(about), Misconfigured)
    assert len(world.rows_of("SELECT subject FROM accusation")) == 1


async def test_the_subjects_may_meet_different_processes(server, world):
    others = [Server(world), Server(world)]
    for one, about in zip((server, *others), ("R1", "R2", "R3"), strict=True):
        one.poison[about] = forbidden
        await one.ask(about)
    assert gate(world) == [("http_403", "engine")]


async def test_a_success_in_another_process_clears_within_a_second(world):
    here, there = Server(world), Server(world)
    here.poison |= dict.fromkeys(("R1", "R2", "R3"), forbidden)
    await here.ask("R1")
    await here.ask("R2")
    there.gates._pauses._forget()
    await there.ask("well")
    await here.ask("R3")
    assert gate(world) == []


@pytest.mark.parametrize("code", ["address_inside", "certificate_invalid", "host_not_allowed"])
async def test_a_wrong_endpoint_is_every_call_s(server, world, code):
    server.poison["R1"] = lambda: Misconfigured(code)
    assert (await server.ask("R1")).facts[PAUSED] == ACCOUNT


async def test_attempts_that_were_spent_on_an_account_are_given_back(server, world):
    world.rows_of("""INSERT INTO work (step, subject_id, lane, account, attempts)
                     VALUES ('label', 1, 'bulk', 'sf/main', 3), ('label', 2, 'bulk', 'sf/main', 2)""")
    world.rows_of("""INSERT INTO spent_attempt (account, charge, step, subject_id, attempts)
                     VALUES ('sf/main', 'credentials', 'label', 1, 2), ('yto/a', 'credentials', 'label', 2, 2)""")
    server.poison |= dict.fromkeys(("R1", "R2", "R3"), forbidden)
    for about in ("R1", "R2", "R3"):
        await server.ask(about)
    assert world.rows_of("SELECT subject_id, attempts FROM work ORDER BY 1") == [(1, 1), (2, 2)]
    assert world.rows_of("SELECT account FROM spent_attempt") == [("yto/a",)]


def until_somebody_waits(connection):
    """For a lock of this connection; other tests share the server."""
    waits = "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    while not connection.execute(waits).fetchall():
        pass


async def test_attempts_are_given_back_beside_a_subject_that_is_just_being_judged(server, world):
    """Both lock the work row first, so neither waits for the other in a circle."""
    world.rows_of(
        "INSERT INTO work (step, subject_id, lane, account, attempts) VALUES ('label', 1, 'bulk', 'sf/main', 3)"
    )
    world.rows_of("""INSERT INTO spent_attempt (account, charge, step, subject_id, attempts)
                     VALUES ('sf/main', 'credentials', 'label', 1, 2)""")
    server.poison |= dict.fromkeys(("R1", "R2", "R3"), forbidden)
    for about in ("R1", "R2"):
        await server.ask(about)
    with world.db.transaction() as judge:
        judge.execute("SELECT FROM work WHERE subject_id = 1 FOR UPDATE")
        proof = asyncio.create_task(server.ask("R3"))
        await asyncio.to_thread(until_somebody_waits, judge)
        note_spent(judge, ACCOUNT, FaultKind.CREDENTIALS, "label", 1)
    assert (await proof).facts[PAUSED] == ACCOUNT
    assert world.rows_of("SELECT attempts FROM work") == [(0,)]
    assert world.rows_of("SELECT account FROM spent_attempt") == []


async def test_an_acquittal_does_not_wait_for_whoever_notes_an_attempt(server, world):
    world.rows_of("""INSERT INTO spent_attempt (account, charge, step, subject_id, attempts)
                     VALUES ('sf/main', 'credentials', 'label', 1, 2), ('sf/main', 'credentials', 'label', 2, 2)""")
    server.poison["R1"] = forbidden
    await server.ask("R1")
    with world.db.transaction() as judge:
        judge.execute("SET LOCAL lock_timeout = '5s'")
        note_spent(judge, ACCOUNT, FaultKind.CREDENTIALS, "label", 2)
        await asyncio.wait_for(server.ask("well"), 5)
        note_spent(judge, ACCOUNT, FaultKind.CREDENTIALS, "label", 1)
    assert world.rows_of("SELECT is_acquitted FROM accusation") == [(True,)]


async def test_after_a_reopening_the_same_accusers_shut_it_no_more(server, world):
    server.poison |= dict.fromkeys(("R1", "R2", "R3"), forbidden)
    for about in ("R1", "R2", "R3"):
        await server.ask(about)
    world.rows_of("UPDATE gate SET probe_at = now()")
    server.gates._pauses._forget()
    assert await server.ask("well") is None, "the probe"
    assert gate(world) == []
    for about in ("R1", "R2", "R3", "R1"):
        error = await server.ask(about)
        assert error.facts[ALONE]
        assert PAUSED not in error.facts
    assert gate(world) == []


async def test_a_probe_is_one_call(server, world):
    server.poison[None] = forbidden
    await server.ask(None)
    world.rows_of("UPDATE gate SET probe_at = now()")
    server.gates._pauses._forget()
    server.poison["slow"] = lambda: Transient("timed_out")
    server.called.clear()
    for _ in range(5):
        await server.ask("slow")
    assert server.called == ["slow"]


def test_a_probe_that_calls_nobody_is_left_to_another(server, world):
    world.rows_of("""INSERT INTO gate (kind, name, reason, shut_by, probe_at)
                     VALUES ('account', 'sf/main', 'http_401', 'engine', now())""")
    with server.gates.entry(KEY, 50) as found:
        assert found.is_probe
    with Server(world).gates.entry(KEY, 50) as found:
        assert found.is_probe


async def test_who_comes_beside_a_probe_takes_nothing_of_it(server, world):
    world.rows_of("""INSERT INTO gate (kind, name, reason, shut_by, probe_at)
                     VALUES ('account', 'sf/main', 'http_401', 'engine', now())""")
    with server.gates.entry(KEY, 50) as prober:
        with server.gates.entry(KEY, 50) as other:
            assert (prober.subjects, other.subjects) == (1, 0)
        with Server(world).gates.entry(KEY, 50) as elsewhere:
            assert elsewhere.subjects == 0
        assert await server.ask("R1") is None
    assert gate(world) == []


def breaker(world):
    return world.redis.hget(PREFIX + ACCOUNT, "open_until")


async def test_content_of_one_subject_says_nothing_of_the_server(world):
    server = Server(world, failures_max=2)
    server.poison["R1"] = garbage
    for _ in range(10):
        assert isinstance(await server.ask("R1"), Malformed)
    assert breaker(world) is None


async def test_control_content_of_a_call_about_nothing_counts(world):
    server = Server(world, failures_max=2)
    server.poison[None] = garbage
    for _ in range(3):
        await server.ask(None)
    assert isinstance(await server.ask(None), GateShut)


async def test_a_server_that_answers_garbage_to_everybody_opens_its_breaker(world):
    server = Server(world, failures_max=5)
    server.poison |= dict.fromkeys(("R1", "R2", "R3", "R4"), garbage)
    for about in ("R1", "R2", "R3"):
        assert isinstance(await server.ask(about), Malformed)
    assert isinstance(await server.ask("R4"), GateShut)


async def test_unreadable_content_of_one_subject_closes_a_breaker_that_time_outs_opened(world):
    server = Server(world, failures_max=1)
    server.poison |= {"R1": lambda: Transient("timed_out"), "R2": garbage}
    await server.ask("R1")
    world.pass_ms(ACCOUNT, 10_001)
    assert isinstance(await server.ask("R2"), Malformed)
    assert int(breaker(world)) == 0


async def test_a_healthy_account_writes_nothing(make_world, database, stepped_clock):
    world = make_world(db=database, clock=stepped_clock)
    server = Server(world)
    await server.ask("R1")
    before = database.counts.statements
    for number in range(100):
        await server.ask(f"R{number}")
    assert database.counts.statements == before


SUBJECT = st.sampled_from(["R1", "R2", "R3", "R4", "well"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(course=st.lists(SUBJECT, min_size=1, max_size=15))
async def test_an_account_is_paused_exactly_when_three_new_accusers_follow_each_other(world, course):
    world.rows_of("TRUNCATE accusation, spent_attempt, gate")
    world.redis.flushdb()
    server = Server(world)
    server.poison |= dict.fromkeys(("R1", "R2", "R3", "R4"), forbidden)
    in_a_row, acquitted, expected = set(), set(), []
    for about in course:
        error = await server.ask(about)
        if isinstance(error, GateShut):
            break
        if about == "well":
            acquitted, in_a_row = acquitted | in_a_row, set()
        elif about not in acquitted:
            in_a_row.add(about)
        is_proven = len(in_a_row) == 3 and about in in_a_row
        expected.append(is_proven)
        assert (error is not None and PAUSED in error.facts) == is_proven
    assert bool(gate(world)) == any(expected)


async def test_a_quick_repetition_is_a_call_of_its_account_s_rate(world):
    gates = world.gates(rate_per_s=0.01, burst=3)
    with pytest.raises(GateShut):
        await gates.call(ACCOUNT, lambda: None)
    world.pass_ms(ACCOUNT, 10_000_000)

    async def make():
        return [may_repeat() for _ in range(5)]

    assert await gates.call(ACCOUNT, make, "R1") == [True, True, False, False, False]
    assert may_repeat(), "what is behind no gate repeats freely"
