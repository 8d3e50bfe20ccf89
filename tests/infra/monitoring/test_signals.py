from contextlib import closing

import pytest

from domain.groups import groups_of
from domain.order import Lane
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import PREFIX, CallResults, SharedGates, connect_gates
from infra.monitoring import signals
from infra.monitoring.signals import all_open, measure_signals, read_signals
from infra.process.clock import SystemClock
from infra.process.steps import STEPS, steps_by_subject
from infra.sweeper.paused_accounts import GateDuty
from infra.tables.gates import GATES
from infra.tables.signals import SIGNALS

GROUPS = groups_of(STEPS.map())

WINDOW_S = 60.0
BREAKER = GateRules(failures_max=1, open_ms=3_600_000)
TOKEN = "0f0e4b1e-0000-4000-8000-000000000000"


@pytest.fixture
def due(database):
    """Make work due, its first row for `waited_s` seconds and each later one a millisecond less."""

    def due(step, lane, count=1, *, account="", waited_s=100.0, first=1, **columns):
        names, values = [*columns], list(columns.values())
        with database.connection() as connection:
            connection.execute(
                f"""INSERT INTO work (step, subject_id, lane, account, due_at{"".join(f", {name}" for name in names)})
                    SELECT %s, n, %s, %s, now() - make_interval(secs => %s - (n - %s) / 1000.0){", %s" * len(names)}
                    FROM generate_series(%s::bigint, %s) AS n""",  # noqa: S608 - column names of this test
                [step, lane, account, waited_s, first, *values, first, first + count - 1],
            )

    return due


@pytest.fixture
def store(database):
    """Store payloads of a lane."""

    def store(lane, count):
        with database.connection() as connection:
            connection.execute(
                """INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
                   SELECT 'taobao', 's1', gen_random_uuid(), '', 'pull', %s, '' FROM generate_series(1, %s)""",
                [lane, count],
            )

    return store


@pytest.fixture
def measured(database):
    """Measure, and read everything back by group and lane."""

    def measure(groups=GROUPS, rooms=all_open):
        measure_signals(database, groups, rooms)
        with database.connection() as connection:
            return {(one.group, one.lane): one for one in read_signals(connection, WINDOW_S).lanes}

    return measure


@pytest.fixture
def minutes_pass(database):
    """Make all measurements so far older."""

    def minutes_pass(minutes):
        with database.connection() as connection:
            connection.execute("UPDATE signal SET at = at - make_interval(mins => %s)", [minutes])

    return minutes_pass


def test_before_the_first_measurement_nothing_is_known(database) -> None:
    with database.connection() as connection:
        found = read_signals(connection, WINDOW_S)
    assert (found.age_s, found.lanes) == (None, ())


def test_every_lane_of_every_group_is_told_of_even_when_nothing_is_due(measured) -> None:
    found = measured()
    assert set(found) == {(group, lane) for group in GROUPS for lane in Lane}
    assert {(one.depth, one.oldest_s, one.ship_by_s) for one in found.values()} == {(0, 0.0, None)}


def test_they_stand_group_by_group_with_the_highest_lane_first(measured) -> None:
    assert [lane for group, lane in measured() if group == "label"] == ["p0", "p1", "bulk"]


def test_depth_and_age_are_those_of_what_is_due_by_lane_and_group(due, measured) -> None:
    due("normalize", "bulk", 3, waited_s=50)
    due("route", "bulk", 2, waited_s=90)
    due("label", "p0", 4, account="sf/a")
    due("label", "p0", 5, account="sf/b", first=10)
    due("notify", "bulk", 7, waited_s=-1000)  # due later
    found = measured()
    assert found["order", "bulk"].depth == 5
    assert found["order", "bulk"].oldest_s >= 90
    assert found["label", "p0"].depth == 9
    assert found["tell", "bulk"].depth == 0
    assert sum(one.depth for one in found.values()) == 14


def test_a_flood_is_counted_up_to_a_bound_over_all_accounts(due, measured, monkeypatch) -> None:
    monkeypatch.setattr(signals, "DEPTH_MAX", 10)
    due("writeback", "bulk", 8, account="taobao/a", waited_s=20)
    due("writeback", "bulk", 8, account="taobao/b", first=100)
    due("writeback", "bulk", 8, account="taobao/c", first=200, waited_s=500)
    due("writeback", "p0", 3, account="taobao/a", first=300)
    found = measured()
    assert found["tell", "bulk"].depth == 10 + 1  # one row at least, for its age
    assert found["tell", "bulk"].oldest_s >= 500
    assert found["tell", "p0"].depth == 3


def test_work_behind_a_paused_gate_is_no_backlog(database, due, measured) -> None:
    due("label", "bulk", 3, account="sf/a")
    due("label", "bulk", 4, account="sf/b", first=10)
    with database.connection() as connection:
        connection.execute("INSERT INTO gate (kind, name, reason, shut_by) VALUES ('account', 'sf/a', 'x', 'ada')")
    assert measured()["label", "bulk"].depth == 4


@pytest.fixture
def rooms(database, redis):
    """What the sweeper says of accounts, over real gates."""
    return GateDuty(database, SharedGates(redis), BREAKER, SystemClock(), margin_s=0.0, patience_s=3600.0).rooms


@pytest.fixture
def breaker(redis):
    """Open an account's breaker; a past one is due to be probed."""

    def breaker(account, *, is_past=False):
        SharedGates(redis).ask(account, 1, CallResults(failed=1), BREAKER)
        if is_past:
            redis.hset(PREFIX + account, "open_until", 1)

    return breaker


def test_work_behind_an_open_breaker_is_no_backlog(due, measured, rooms, breaker) -> None:
    due("label", "bulk", 30, account="sf/a", waited_s=3600)
    due("label", "bulk", 4, account="sf/b", first=100, waited_s=50)
    assert measured(rooms=rooms)["label", "bulk"].depth == 34
    breaker("sf/a")
    found = measured(rooms=rooms)["label", "bulk"]
    assert (found.depth, found.oldest_s < 3000) == (4, True)


def test_one_piece_counts_where_a_breaker_waits_for_somebody_to_try(due, measured, rooms, breaker) -> None:
    due("label", "bulk", 30, account="sf/a", waited_s=3600)
    breaker("sf/a", is_past=True)
    found = measured(rooms=rooms)["label", "bulk"]
    assert (found.depth, found.oldest_s, found.ship_by_s) == (1, 0.0, None)


def test_of_an_account_at_its_rate_one_piece_counts(due, measured, rooms, redis) -> None:
    shared, rules = SharedGates(redis), GateRules(rate_per_s=0.001, burst=1)
    due("writeback", "bulk", 60, account="taobao/s1", waited_s=3600)
    redis.hset(PREFIX + "taobao/s1", "filled", 1)  # long ago: the bucket is full by now
    assert shared.ask("taobao/s1", 1, CallResults(), rules).calls == 1
    assert measured(rooms=rooms)["tell", "bulk"].depth == 60, "nobody was turned away"
    assert shared.ask("taobao/s1", 0, CallResults(), rules).calls == 0
    assert measured(rooms=rooms)["tell", "bulk"].depth == 60, "nobody asked for more"
    assert shared.ask("taobao/s1", 1, CallResults(), rules).calls == 0
    found = measured(rooms=rooms)["tell", "bulk"]
    assert (found.depth, found.oldest_s) == (1, 0.0)
    redis.hset(PREFIX + "taobao/s1", "refused_at", 1)
    assert measured(rooms=rooms)["tell", "bulk"].depth == 60, "long ago"


def test_what_is_shut_takes_no_place_of_what_is_counted(due, measured, rooms, breaker, monkeypatch) -> None:
    monkeypatch.setattr(signals, "DEPTH_MAX", 10)
    due("label", "bulk", 30, account="sf/a")
    due("label", "bulk", 8, account="sf/b", first=100)
    breaker("sf/a")
    assert measured(rooms=rooms)["label", "bulk"].depth == 8


def test_with_redis_away_everything_counts(database, due, measured) -> None:
    due("label", "bulk", 3, account="sf/a")
    with closing(connect_gates("unix:///nowhere/redis.sock")) as away:
        duty = GateDuty(database, SharedGates(away), BREAKER, SystemClock(), margin_s=0.0, patience_s=3600.0)
        assert measured(rooms=duty.rooms)["label", "bulk"].depth == 3


def test_an_account_that_the_engine_has_paused_counts_when_it_may_be_tried(database, due, measured) -> None:
    due("label", "bulk", 30, account="sf/a")
    with database.connection() as connection:
        connection.execute(GATES["shut_by_engine"], {"account": "sf/a", "reason": "http_401", "probe_s": 60.0})
    assert measured()["label", "bulk"].depth == 0
    with database.connection() as connection:
        connection.execute("UPDATE gate SET probe_at = now()")
    assert measured()["label", "bulk"].depth == 1


def test_what_is_under_way_is_not_waiting(due, measured) -> None:
    due("label", "bulk", lease_token=TOKEN, lease_until="2030-01-01")
    due("label", "bulk", first=2, lease_token=TOKEN, lease_until="2030-01-01", is_suspect=True)
    due("label", "bulk", first=3)
    found = measured()
    assert (found["label", "bulk"].depth, found["label", "bulk"].under_way) == (1, 2)
    assert found["label", "p0"].under_way == found["order", "bulk"].under_way == 0


def test_what_a_dead_process_left_behind_is_waiting(due, measured) -> None:
    due("label", "bulk", 2, account="sf/a", waited_s=900, is_suspect=True)
    due("label", "p0", first=10, account="sf/a", is_suspect=True, waited_s=-1000)  # due later
    found = measured()
    assert (found["label", "bulk"].depth, found["label", "bulk"].oldest_s >= 900) == (2, True)
    assert found["label", "p0"].depth == 0


def test_what_it_left_behind_an_open_breaker_is_no_backlog(due, measured, rooms, breaker) -> None:
    due("label", "bulk", 2, account="sf/a", is_suspect=True)
    breaker("sf/a")
    assert measured(rooms=rooms)["label", "bulk"].depth == 0


def test_suspects_are_counted_up_to_the_bound(due, measured, monkeypatch) -> None:
    monkeypatch.setattr(signals, "DEPTH_MAX", 10)
    due("label", "bulk", 30, is_suspect=True)
    assert measured()["label", "bulk"].depth == 10


def test_inflow_is_what_was_stored_since_the_measurement_before(store, measured, minutes_pass) -> None:
    store("bulk", 5)
    assert measured()["order", "bulk"].inflow_per_min == 0  # nobody knows when those came
    minutes_pass(2)
    store("bulk", 30)
    store("p0", 8)
    found = measured()
    assert found["order", "bulk"].inflow_per_min == pytest.approx(15, rel=0.2)
    assert found["order", "p0"].inflow_per_min == pytest.approx(4, rel=0.2)
    assert (found["order", "bulk"].inflow, found["order", "p0"].inflow) == (30, 8)


def test_the_rate_is_that_of_the_window_and_forgets_what_is_older(store, measured, minutes_pass) -> None:
    measured()
    minutes_pass(3)
    store("bulk", 1000)
    measured()
    minutes_pass(2)
    assert measured()["order", "bulk"].inflow_per_min == 0
    minutes_pass(20)
    measured()
    assert measured()["order", "bulk"].inflow == 1000


@pytest.fixture
def tell(database):
    """Orders of a lane with one timeline row each."""
    query = """
    WITH raw AS (
        INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
        SELECT 'taobao', 's1', gen_random_uuid(), '', 'pull', 'p1', '' FROM generate_series(1, %(count)s)
        RETURNING id, platform_order_id
    ), made AS (
        INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
            member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
            balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag,
            received_at, ship_by)
        SELECT 'taobao', 's1', platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0,
            false, false, now(), now(), '', '', '', 0, now(), now() + interval '3 hours' FROM raw RETURNING id
    ), placed AS (
        INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'allocated', %(lane)s FROM made RETURNING id
    ), told AS (
        INSERT INTO event (fulfillment_order_id, kind, step, cause, to_state)
        SELECT id, %(kind)s, 'any', 'rules', %(to)s FROM placed
    )
    SELECT id FROM placed"""

    def tell(lane, count, kind, to=None):
        with database.connection() as connection:
            named = {"lane": lane, "count": count, "kind": kind, "to": to}
            return [row[0] for row in connection.execute(query, named)]

    return tell


def test_each_group_is_entered_and_left_at_its_milestones(tell, measured, minutes_pass) -> None:
    measured()
    minutes_pass(1)
    tell("p0", 6, "route_moved", "allocated")
    tell("p0", 9, "route_moved", "on_hold")
    tell("p0", 4, "label_done")
    tell("p0", 3, "warehouse_moved", "in_transit")
    # Of a courier that tells by itself when it has the parcel.
    tell("p0", 5, "handed_over")
    tell("p0", 9, "warehouse_moved", "packed")
    tell("p0", 2, "writeback_done")
    found = measured()
    flows = {group: (one.inflow, one.drain) for (group, lane), one in found.items() if lane == "p0"}
    assert flows == {"order": (0, 6), "label": (6, 4), "tell": (8, 2), "pull": (0, 0)}
    assert found["order", "p1"].inflow == 38


def test_an_order_with_many_packages_comes_through_once(tell, database, measured) -> None:
    measured()
    [order] = tell("p0", 1, "label_done")
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO event (fulfillment_order_id, kind, step, cause) VALUES (%s, 'label_done', 'label', 'rules')",
            [order],
        )
    assert measured()["label", "p0"].drain == 1


def test_the_ship_by_of_the_first_in_line_is_told(tell, due, measured) -> None:
    [order] = tell("bulk", 1, "review_moved")
    due("route", "bulk", first=order)
    assert measured()["order", "bulk"].ship_by_s == pytest.approx(3 * 3600, abs=300)


def test_a_stretch_that_nobody_counted_is_left_out(store, measured, monkeypatch) -> None:
    measured()
    store("bulk", 50)
    monkeypatch.setattr(signals, "STRETCH_MAX", 20)
    assert measured()["order", "bulk"].inflow == 20


def test_due_rows_beyond_the_bound_are_not_read(database, due) -> None:
    """Buffers, not milliseconds: the plan counts up to its bound, and skips from account to account."""
    due("label", "bulk", 20_000, account="sf/a")
    due("label", "bulk", 20_000, account="sf/b", first=100_000, waited_s=-50_000)
    with database.connection() as connection:
        connection.execute("VACUUM ANALYZE work")
    with database.transaction() as tx:
        tx.execute(SIGNALS["keep_to_indexes"])

        def buffers(cap):
            explain = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + SIGNALS["due"]
            [[[plan]]] = tx.execute(explain, {"cap": cap, "narrow": [], **steps_by_subject()}).fetchall()
            return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]

        assert buffers(100) * 3 < buffers(20_000)
