import pytest
from structlog.testing import capture_logs

from domain.alarms import AlarmKind
from domain.groups import groups_of
from domain.order import Lane
from domain.scaling import GrowReason
from infra.config.worker_settings import Scaling, Threshold, WorkerPool, Workers
from infra.monitoring.signals import Signal, Signals, measure_signals
from infra.process.steps import STEPS
from infra.tables.pool import Database
from workers.autoscaler import Autoscaler, reading_of

GROUPS = groups_of(STEPS.map())

POOL = WorkerPool(name="main", groups=("order", "label"), processes=1, processes_max=3)
WORKERS = Workers(pools=(POOL, WorkerPool(name="fixed", groups=tuple(GROUPS), processes=2)))
QUICK = Scaling(
    every_s=1.0,
    window_s=60.0,
    thresholds=(Threshold(orders_per_min=10, for_min=1 / 60),),
    pause_s=0.0,
    calm_min=5 / 60,
)


def signal(group, lane="bulk", **given):
    values = {
        "depth": 0,
        "oldest_s": 0.0,
        "ship_by_s": None,
        "inflow_per_min": 0.0,
        "drain_per_min": 60.0,
        "inflow": 0,
        "drain": 0,
    }
    return Signal(group=group, lane=lane, **{**values, **given})


class Crew:
    """A supervisor that only counts."""

    def __init__(self, **sizes):
        self.sizes = sizes

    def size(self, pool):
        return self.sizes[pool]

    def resize(self, pool, processes):
        self.sizes[pool] = processes


class HandClock:
    def __init__(self):
        self.at = 1000.0

    def monotonic(self):
        return self.at


@pytest.fixture
def crew():
    return Crew(main=1, fixed=2)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def scaler(database, crew, clock):
    return Autoscaler(database, crew, WORKERS, QUICK, clock)


@pytest.fixture
def seconds_pass(database, clock):
    """Store some orders, let seconds pass, and measure."""

    def seconds_pass(seconds, orders=0):
        clock.at += seconds
        with database.connection() as connection:
            connection.execute("UPDATE signal SET at = at - make_interval(secs => %s)", [seconds])
            connection.execute(
                """INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
                   SELECT 'taobao', 's1', gen_random_uuid(), '', 'pull', 'bulk', '' FROM generate_series(1, %s)""",
                [orders],
            )
        measure_signals(database, GROUPS)

    return seconds_pass


def test_a_pool_reads_its_own_lanes_and_groups_only() -> None:
    signals = Signals(
        1.0,
        (
            signal("order", "p0", depth=5, oldest_s=70.0, inflow_per_min=30.0, under_way=4),
            signal("order", "bulk", depth=90, oldest_s=10.0, inflow_per_min=100.0, ship_by_s=500.0),
            signal("tell", "bulk", depth=900, oldest_s=9000.0, inflow_per_min=5000.0),
        ),
    )
    recent = Signals(1.0, (signal("order", "bulk", inflow_per_min=300.0), signal("label", inflow_per_min=900.0)))
    mine = reading_of(POOL, GROUPS, signals, recent, 7.0)
    assert (mine.at, mine.inflow_per_min, mine.recent_per_min) == (7.0, 130.0, 300.0)
    orders, labels = mine.groups
    assert (orders.depth, orders.oldest_s, orders.inflow_per_min, orders.ship_by_s) == (95, 70.0, 130.0, 500.0)
    assert (labels.depth, labels.under_way, labels.ship_by_s) == (0, 0, None)
    p0 = WorkerPool(name="p0", lanes=(Lane.P0,), groups=("order",))
    [urgent] = reading_of(p0, GROUPS, signals, signals, 7.0).groups
    assert (urgent.depth, urgent.under_way, urgent.inflow_per_min, urgent.ship_by_s) == (5, 4, 30.0, None)


def test_a_pool_that_no_order_comes_into_has_no_inflow() -> None:
    found = Signals(1.0, (signal("pull", depth=3),))
    mine = reading_of(WorkerPool(name="pulls", groups=("pull",)), GROUPS, found, found, 0.0)
    assert (mine.inflow_per_min, mine.recent_per_min, mine.groups[0].depth) == (0.0, 0.0, 3)


def test_it_grows_with_the_inflow_and_shrinks_in_the_calm(scaler, crew, seconds_pass) -> None:
    seconds_pass(0)
    scaler.tend()
    with capture_logs() as logs:
        for _ in range(3):
            seconds_pass(2, orders=50)
            scaler.tend()
    assert crew.sizes == {"main": 2, "fixed": 2}
    told = [line for line in logs if line["event"] == "scale_out_signal"]
    assert [(line["pool"], line["reason"], line["is_at_maximum"]) for line in told] == [("main", "inflow", False)]
    for _ in range(45):
        seconds_pass(2)
        scaler.tend()
    assert crew.sizes == {"main": 1, "fixed": 2}


def test_it_looks_as_often_as_it_should(scaler, clock, seconds_pass) -> None:
    seconds_pass(0)
    assert set(scaler.tend()) == {"main"}
    clock.at += 0.4
    assert scaler.tend() == {}
    clock.at += 0.2
    assert set(scaler.tend()) == {"main"}


def test_old_signals_decide_nothing(scaler, database, crew, seconds_pass) -> None:
    seconds_pass(0)
    with database.connection() as connection:
        connection.execute("UPDATE signal SET at = at - interval '10 minutes'")
    assert scaler.tend() == {}
    assert crew.sizes["main"] == 1


def test_a_backlog_near_its_ship_by_is_a_reason(scaler, database, monkeypatch) -> None:
    late = Signals(0.0, (signal("label", depth=60, ship_by_s=3600.0),))
    monkeypatch.setattr("workers.autoscaler.read_signals", lambda *_: late)
    assert scaler.tend()["main"].signals == (GrowReason.SHIP_BY,)


def test_a_pool_that_may_not_grow_is_an_alarm(scaler, crew, database, monkeypatch) -> None:
    late = Signals(0.0, (signal("label", depth=60, ship_by_s=3600.0),))
    monkeypatch.setattr("workers.autoscaler.read_signals", lambda *_: late)

    def alarms():
        with database.connection() as connection:
            return connection.execute("SELECT kind, key FROM alarm").fetchall()

    scaler.tend()
    assert alarms() == []
    scaler._states.clear()
    scaler._due_at = 0.0
    crew.sizes["main"] = scaler.workers.pool("main").size.most
    scaler.tend()
    assert alarms() == [(AlarmKind.POOL_AT_MAXIMUM, "main")]


def test_a_database_that_is_away_changes_nothing(crew, clock, tmp_path) -> None:
    with Database(f"host={tmp_path} connect_timeout=1", 1) as away:
        away._pool.timeout = 0.1
        with capture_logs() as logs:
            assert Autoscaler(away, crew, WORKERS, QUICK, clock).tend() == {}
    assert [line["event"] for line in logs] == ["signals_unread"]
