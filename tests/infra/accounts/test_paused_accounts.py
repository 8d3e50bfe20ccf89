import pytest

from domain.errors import Transient
from domain.gates import GateKind
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import CallResults
from infra.queue.bells import BellKey
from infra.sweeper.paused_accounts import LET_THROUGH_MAX, GateDuty
from infra.sweeper.stuck_work import Sweeper
from infra.tables.claims import CLAIMS
from infra.tables.gates import GATES
from infra.tables.work import WORK


class Rings:
    def ring(self, keys) -> None:
        assert keys == []


LABEL, WRITEBACK = BellKey("label", "bulk", "sf/main"), BellKey("writeback", "p0", "taobao/s1")
LOCAL = BellKey("route", "bulk", "")
OTHER = BellKey("label", "bulk", "yto/a")
RULES = GateRules(failures_max=1)


@pytest.fixture
def duty(world):
    return GateDuty(world.db, world.shared, RULES, world.clock, margin_s=0.0, patience_s=3600.0)


def rest(world, account, count, step="label"):
    """Work that met the shut gate of an account."""
    with world.db.connection() as connection:
        connection.execute(
            """INSERT INTO work (step, subject_id, lane, account, due_at, gate, gated_at)
               SELECT %s, number, 'bulk', 'sf/main', '9999-01-01', %s, now() FROM generate_series(1, %s) AS number""",
            [step, account, count],
        )


def mixed(world, rows):
    """Work behind a gate: (subject, lane, minutes it has waited, whether it failed before)."""
    with world.db.connection() as connection:
        for subject_id, lane, waited_min, has_failed in rows:
            connection.execute(
                """INSERT INTO work (step, subject_id, lane, account, due_at, gate, gated_at, causes)
                   VALUES ('label', %s, %s, 'sf/main', '9999-01-01', 'taobao/s1', now() - make_interval(mins => %s),
                           CASE WHEN %s THEN '[{"code": "x"}]'::jsonb ELSE '[]'::jsonb END)""",
                [subject_id, lane, waited_min, has_failed],
            )


def due_ids(world):
    with world.db.connection() as connection:
        rows = connection.execute("SELECT subject_id FROM work WHERE due_at <= now() AND gate IS NULL ORDER BY 1")
        return [row[0] for row in rows]


def due(world):
    with world.db.connection() as connection:
        return connection.execute("SELECT count(*) FROM work WHERE due_at <= now() AND gate IS NULL").fetchone()[0]


def shut(world, kind, name, by="mei"):
    with world.db.connection() as connection:
        if by == "engine":
            connection.execute(GATES["shut_by_engine"], {"account": name, "reason": "http_401", "probe_s": 60.0})
        else:
            named = {"kind": kind, "name": name, "reason": "tests", "by": by, "until": None}
            connection.execute(GATES["shut_by_person"], named)


def open_breaker(world, account, rules=RULES):
    world.shared.ask(account, 1, CallResults(0, failed=1), rules)


def keys(duty, *asked):
    return set(duty.open_keys(asked or (LABEL, WRITEBACK, LOCAL, OTHER)))


def test_nobody_is_rung_behind_an_open_breaker(world, duty):
    open_breaker(world, "sf/main")
    assert keys(duty) == {WRITEBACK, LOCAL, OTHER}
    world.pass_ms("sf/main", 10_001)
    assert keys(duty) == {LABEL, WRITEBACK, LOCAL, OTHER}, "time for a probe"


@pytest.mark.parametrize(
    ("kind", "name", "left"),
    [
        (GateKind.ACCOUNT, "sf/main", {WRITEBACK, LOCAL, OTHER}),
        (GateKind.LANE, "bulk", {WRITEBACK}),
        (GateKind.STEP, "label", {WRITEBACK, LOCAL}),
    ],
)
def test_nobody_is_rung_behind_a_pause(world, duty, kind, name, left):
    shut(world, kind, name)
    assert keys(duty) == left


def test_work_that_rests_behind_another_account_comes_back_when_that_opens(world, duty):
    rest(world, "taobao/s1", 3)
    open_breaker(world, "taobao/s1")
    assert (keys(duty, LOCAL), due(world)) == ({LOCAL}, 0)
    world.pass_ms("taobao/s1", 10_001)
    assert (keys(duty, LOCAL), due(world)) == ({LOCAL, LABEL}, 1), "one to probe with"
    grant = world.shared.ask("taobao/s1", 1, CallResults(), RULES)
    world.shared.ask("taobao/s1", 0, CallResults(grant.epoch, passed=1), RULES)
    world.pass_ms("taobao/s1", 1_000)
    keys(duty, LOCAL)
    assert due(world) == 3


def test_work_comes_back_by_lane_and_what_failed_before_comes_last(world, duty, monkeypatch):
    mixed(
        world,
        [
            *[(1, "bulk", 90, False), (2, "p1", 80, False), (3, "p0", 1, False), (4, "p0", 5, False)],
            *[(5, "p0", 99, True), (6, "bulk", 95, False)],
        ],
    )
    monkeypatch.setattr("infra.sweeper.paused_accounts.LET_THROUGH_MAX", 1)
    came_back = []
    for _ in range(6):
        keys(duty, LOCAL)
        came_back += [id_ for id_ in due_ids(world) if id_ not in came_back]
    assert came_back == [4, 3, 2, 6, 1, 5]


def test_who_comes_back_is_read_from_the_index(world, duty):
    """The pages read for one of a hundred thousand are as many as for one of ten."""
    read = []
    for count in (10, 100_000):
        with world.db.connection() as connection:
            connection.execute("TRUNCATE work")
        rest(world, "taobao/s1", count)
        with world.db.connection() as connection:
            connection.execute("VACUUM ANALYZE work")
            query = WORK["let_through"].replace(b"%(account)s", b"'taobao/s1'").replace(b"%(limit)s", b"1")
            read.append(pages(connection, query))
    assert read[1] <= read[0] + 10


def test_a_lost_redis_keeps_nothing_back(make_world, database, lost_redis):
    world = make_world(shared=lost_redis, db=database)
    duty = GateDuty(world.db, lost_redis, RULES, world.clock, margin_s=0.0, patience_s=3600.0)
    rest(world, "taobao/s1", 3)
    assert keys(duty) == {LABEL, WRITEBACK, LOCAL, OTHER}
    assert due(world) == 3
    with pytest.raises(Transient):
        lost_redis.look(["sf/main"], RULES)


def test_what_the_engine_has_paused_is_rung_for_only_when_a_probe_is_due(world, duty):
    shut(world, GateKind.ACCOUNT, "sf/main", by="engine")
    rest(world, "sf/main", 5)
    assert (keys(duty, LOCAL), due(world)) == ({LOCAL}, 0)
    with world.db.connection() as connection:
        connection.execute("UPDATE gate SET probe_at = now()")
    assert (keys(duty, LOCAL), due(world)) == ({LOCAL, LABEL}, 1)


def pages(connection, query):
    plan = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query).fetchone()[0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.parametrize("is_due", [False, True], ids=["met its gate", "never claimed"])
def test_a_hundred_thousand_behind_a_gate_cost_what_ten_do(world, duty, is_due):
    """Statements, and the pages that Postgres reads for them, do not grow with what rests."""
    costs = []
    # For longer than a busy machine takes to write the rows.
    open_breaker(world, "sf/main", GateRules(failures_max=1, open_ms=600_000))
    for count in (10, 100_000):
        with world.db.connection() as connection:
            connection.execute("TRUNCATE work")
        rest(world, "sf/main", count)
        with world.db.connection() as connection:
            if is_due:
                connection.execute("UPDATE work SET due_at = now(), gate = NULL, gated_at = NULL")
            connection.execute("VACUUM ANALYZE work")
            read = pages(connection, WORK["gates_with_work"]) + pages(connection, CLAIMS["due_keys"])
        rung = Rings()
        sweeper = Sweeper(world.db, rung, world.clock, 3, duty)
        duty.open_keys([])
        before = world.db.counts.statements
        assert sweeper.ring_due() == 0
        costs.append((world.db.counts.statements - before, read))
    (few_statements, few_pages), (many_statements, many_pages) = costs
    assert many_statements == few_statements
    # A hundred thousand rows have more than a thousand pages; a few stay after a clean-up that others disturb.
    assert many_pages <= few_pages + 50, costs


def test_what_nothing_limits_comes_back_in_bounded_rounds(world, duty):
    rest(world, "taobao/s1", LET_THROUGH_MAX + 100)
    keys(duty)
    assert due(world) == LET_THROUGH_MAX
    keys(duty)
    assert due(world) == LET_THROUGH_MAX + 100
