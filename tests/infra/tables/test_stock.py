"""The counters of both levels are the sums of the reservation rows, whatever happens in whatever order."""

import random

import pytest

from domain.stock import Reservation
from infra.tables.fulfillment import set_reservations
from infra.tables.stock import (
    allocate_stock,
    consume_stock,
    count_in,
    load_reservations,
    lock_levels,
    lock_location_levels,
    read_levels,
    release_stock,
    reserve_stock,
    shrink_stock,
)

SKUS, LOCATIONS = ("A", "B", "C"), ("east", "west")

_PLANT = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    SELECT 'taobao', 's1', n::text, '', 'pull', 'bulk', '' FROM generate_series(1, %s) AS n
    RETURNING id, platform_order_id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0,
        false, false, now(), now(), '', '', '', 0, now() FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'paid', 'bulk' FROM made RETURNING id
"""

# What the counters must be, recounted from the reservation rows and the pieces that were counted in.
_POOL_WRONG = """
SELECT s.sku FROM stock_pool AS s LEFT JOIN reservation AS r USING (sku)
GROUP BY s.sku
HAVING s.reserved <> coalesce(sum(r.quantity) FILTER (WHERE r.status = 'reserved'), 0)
    OR s.allocated <> coalesce(sum(r.quantity) FILTER (WHERE r.status = 'allocated'), 0)
    OR s.on_hand <> 40 - coalesce(sum(r.quantity) FILTER (WHERE r.status = 'consumed'), 0)
"""
_LOCATION_WRONG = """
SELECT s.sku, s.location FROM stock_location AS s LEFT JOIN reservation AS r USING (sku, location)
GROUP BY s.sku, s.location
HAVING s.allocated <> coalesce(sum(r.quantity) FILTER (WHERE r.status = 'allocated'), 0)
    OR s.on_hand <> 20 - coalesce(sum(r.quantity) FILTER (WHERE r.status = 'consumed'), 0)
"""


@pytest.fixture
def orders(database):
    """Forty fulfillment orders and forty pieces of each SKU, half of them at each location."""
    with database.transaction() as tx:
        for location in LOCATIONS:
            count_in(tx, location, dict.fromkeys(SKUS, 20))
        return [row[0] for row in tx.execute(_PLANT, [40]).fetchall()]


def reserve(tx, randomness, orders):
    known = load_reservations(tx, orders)
    status = dict(tx.execute("SELECT id, reservation FROM fulfillment_order").fetchall())
    free = [id_ for id_ in orders if id_ not in known and status[id_] in {"none", "released"}]
    levels = lock_levels(tx, SKUS)
    taken: dict[str, int] = {}
    pieces: dict[int, dict[str, int]] = {}
    for id_ in randomness.sample(free, min(3, len(free))):
        wanted = {sku: randomness.randint(1, 3) for sku in randomness.sample(SKUS, randomness.randint(1, 3))}
        if all(levels[sku] - taken.get(sku, 0) >= count for sku, count in wanted.items()):
            pieces[id_] = wanted
            for sku, count in wanted.items():
                taken[sku] = taken.get(sku, 0) + count
    reserve_stock(tx, taken, pieces)
    set_reservations(tx, dict.fromkeys(pieces, Reservation.RESERVED))


def allocate(tx, randomness, orders):
    reserved = load_reservations(tx, orders)
    levels = lock_location_levels(tx, SKUS)
    placed = {}
    for id_ in randomness.sample(sorted(reserved), min(3, len(reserved))):
        location = randomness.choice(LOCATIONS)
        if all(levels[location][sku] >= count for sku, count in reserved[id_].items()):
            placed[id_] = (location, reserved[id_])
            for sku, count in reserved[id_].items():
                levels[location][sku] -= count
    allocate_stock(tx, placed)


def consume(tx, randomness, orders):
    allocated = [row[0] for row in tx.execute("SELECT id FROM fulfillment_order WHERE reservation = 'allocated'")]
    consume_stock(tx, randomness.sample(allocated, min(2, len(allocated))))


def release(tx, randomness, orders):
    release_stock(tx, randomness.sample(orders, 3))


def promised(tx):
    """Pieces that are reserved or allocated, by fulfillment order and SKU."""
    found: dict[int, dict[str, int]] = {}
    rows = "SELECT fulfillment_order_id, sku, quantity FROM reservation WHERE status IN ('reserved', 'allocated')"
    for id_, sku, count in tx.execute(rows):
        found.setdefault(id_, {})[sku] = count
    return found


def shrink(tx, randomness, orders):
    known = promised(tx)
    chosen = randomness.sample(sorted(known), min(3, len(known)))
    left = {
        id_: {sku: count for sku, had in known[id_].items() if (count := randomness.randint(0, had + 1))}
        for id_ in chosen
    }
    shrink_stock(tx, left)
    after = promised(tx)
    for id_ in chosen:
        expected = {sku: min(had, left[id_].get(sku, 0)) for sku, had in known[id_].items()}
        assert after.get(id_, {}) == {sku: count for sku, count in expected.items() if count}


@pytest.mark.parametrize("seed", range(6))
def test_the_counters_are_the_sums_of_the_reservations_after_any_sequence(database, orders, seed):
    randomness = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for _ in range(60):
        with database.transaction() as tx:
            randomness.choice([reserve, reserve, allocate, consume, release, shrink])(tx, randomness, orders)
            assert tx.execute(_POOL_WRONG).fetchall() == []
            assert tx.execute(_LOCATION_WRONG).fetchall() == []
    with database.connection() as connection:
        seen = {row[0] for row in connection.execute("SELECT DISTINCT status FROM reservation")}
    assert seen >= {"consumed", "released"}


def test_releasing_and_consuming_twice_is_harmless(database, orders):
    with database.transaction() as tx:
        reserve_stock(tx, {"A": 3}, {orders[0]: {"A": 2}, orders[1]: {"A": 1}})
        set_reservations(tx, dict.fromkeys(orders[:2], Reservation.RESERVED))
        allocate_stock(tx, {orders[0]: ("east", {"A": 2})})
        for _ in range(2):
            consume_stock(tx, [orders[0]])
            release_stock(tx, [orders[1]])
        assert tx.execute("SELECT on_hand, reserved, allocated FROM stock_pool WHERE sku = 'A'").fetchone() == (
            38,
            0,
            0,
        )
        assert tx.execute(_POOL_WRONG).fetchall() == []
        assert tx.execute(_LOCATION_WRONG).fetchall() == []


def test_an_allocation_that_is_released_frees_its_location(database, orders):
    with database.transaction() as tx:
        reserve_stock(tx, {"A": 2}, {orders[0]: {"A": 2}})
        set_reservations(tx, {orders[0]: Reservation.RESERVED})
        allocate_stock(tx, {orders[0]: ("east", {"A": 2})})
        release_stock(tx, orders[:1])
        assert lock_location_levels(tx, ["A"]) == {"east": {"A": 20}, "west": {"A": 20}}
        assert read_levels(tx, ["A", "unknown"]) == {"A": 40}


def test_what_is_wanted_no_more_comes_free_where_it_was_promised(database, orders):
    with database.transaction() as tx:
        reserve_stock(tx, {"A": 6, "B": 2}, {orders[0]: {"A": 3, "B": 2}, orders[1]: {"A": 3}})
        set_reservations(tx, dict.fromkeys(orders[:2], Reservation.RESERVED))
        allocate_stock(tx, {orders[0]: ("east", {"A": 3, "B": 2})})
        shrink_stock(tx, {orders[0]: {"A": 1}, orders[1]: {"A": 2, "C": 5}})
        rows = tx.execute("SELECT sku, on_hand, reserved, allocated FROM stock_pool ORDER BY sku").fetchall()
        assert rows == [("A", 40, 2, 1), ("B", 40, 0, 0), ("C", 40, 0, 0)]
        assert lock_location_levels(tx, ["A", "B"]) == {"east": {"A": 19, "B": 20}, "west": {"A": 20, "B": 20}}
        assert promised(tx) == {orders[0]: {"A": 1}, orders[1]: {"A": 2}}


def test_more_than_was_promised_and_what_has_left_stay_as_they_are(database, orders):
    with database.transaction() as tx:
        reserve_stock(tx, {"A": 4}, {orders[0]: {"A": 2}, orders[1]: {"A": 2}})
        set_reservations(tx, dict.fromkeys(orders[:2], Reservation.RESERVED))
        allocate_stock(tx, {orders[0]: ("east", {"A": 2})})
        consume_stock(tx, [orders[0]])
        before = tx.execute("SELECT * FROM reservation ORDER BY fulfillment_order_id").fetchall()
        shrink_stock(tx, {orders[0]: {}, orders[1]: {"A": 9}})
        assert tx.execute("SELECT * FROM reservation ORDER BY fulfillment_order_id").fetchall() == before
        assert tx.execute(_POOL_WRONG).fetchall() == []


def test_what_shrinks_twice_comes_free_once(database, orders):
    with database.transaction() as tx:
        reserve_stock(tx, {"A": 3}, {orders[0]: {"A": 3}})
        set_reservations(tx, {orders[0]: Reservation.RESERVED})
        for _ in range(2):
            shrink_stock(tx, {orders[0]: {"A": 1}})
        for _ in range(2):
            shrink_stock(tx, {orders[0]: {}})
        assert read_levels(tx, ["A"]) == {"A": 40}
        assert tx.execute(_POOL_WRONG).fetchall() == []


def test_nothing_to_do_asks_nothing(database, orders):
    before = database.counts.statements
    with database.transaction() as tx:
        reserve_stock(tx, {}, {})
        allocate_stock(tx, {})
        set_reservations(tx, {})
        consume_stock(tx, [])
        release_stock(tx, [])
        shrink_stock(tx, {})
    assert database.counts.statements == before


def test_a_first_load_leaves_what_is_known_alone(database, orders):
    with database.transaction() as tx:
        count_in(tx, "east", {"A": 99, "NEW": 7})
        assert read_levels(tx, ["A", "NEW"]) == {"A": 40, "NEW": 7}
