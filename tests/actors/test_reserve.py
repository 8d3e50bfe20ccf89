from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest


def test_stock_is_promised_at_once_and_review_follows(merchant, trade):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(pieces=3))
    merchant.flow("reserve")
    assert merchant.counters() == (10, 3, 0)
    assert merchant.rows("SELECT sku, quantity, status FROM reservation") == [("TEE-1", 3, "reserved")]
    assert merchant.rows("SELECT reservation FROM fulfillment_order") == [("reserved",)]
    assert len(merchant.due("review")) == 1


@pytest.mark.parametrize(
    ("sku", "pieces", "reservation", "hold"),
    [("TEE-1", 11, "short", "stock_short_paid"), ("NOBODY", 1, "unmapped", "sku_unmapped")],
)
def test_what_cannot_be_promised_is_held_and_review_goes_on(merchant, trade, sku, pieces, reservation, hold):  # noqa: PLR0917 - a row of the table
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(sku=sku, pieces=pieces))
    merchant.flow("reserve")
    assert merchant.rows("SELECT reservation FROM fulfillment_order") == [(reservation,)]
    assert merchant.rows("SELECT code, facts->>'skus' FROM hold") == [(hold, sku)]
    assert len(merchant.due("review")) == 1
    assert merchant.counters() == (10, 0, 0)


def test_all_or_nothing_and_the_smaller_one_behind_still_gets_it(merchant, trade):
    merchant.stock(**{"TEE-1": 5})
    merchant.deliver(trade(pieces=4), trade(pieces=3), trade(pieces=1))
    merchant.flow("reserve")
    assert sorted(merchant.rows("SELECT reservation FROM fulfillment_order")) == [
        ("reserved",),
        ("reserved",),
        ("short",),
    ]
    assert merchant.counters() == (5, 5, 0)


def test_what_is_reserved_is_not_reserved_twice(merchant, trade):
    merchant.stock(**{"TEE-1": 5})
    merchant.deliver(trade(pieces=2))
    merchant.flow("reserve")
    id_ = merchant.one("SELECT id FROM fulfillment_order")
    merchant.rows("INSERT INTO work (step, subject_id, lane) VALUES ('reserve', %s, 'bulk')", id_)
    merchant.run("reserve")
    assert merchant.counters() == (5, 2, 0)


ORDERS, STOCK, THREADS = 200, 50, 8


def test_of_200_reservations_of_one_piece_on_a_stock_of_50_exactly_50_succeed(make_merchant, trade):
    merchant = make_merchant(batch_max=5)
    merchant.stock(**{"TEE-1": STOCK})
    merchant.deliver(*(trade() for _ in range(ORDERS)))
    merchant.run("normalize")
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: merchant.run("reserve"), range(THREADS)))
    merchant.run("reserve")
    counts = dict(merchant.rows("SELECT reservation, count(*) FROM fulfillment_order GROUP BY 1"))
    assert counts == {"reserved": STOCK, "short": ORDERS - STOCK}
    assert merchant.counters() == (STOCK, STOCK, 0)
    assert merchant.one("SELECT sum(quantity) FROM reservation") == STOCK


def test_control_reading_and_then_writing_oversells(database):
    """The harm that the row lock and the constraint keep away: everybody reads before anybody writes."""
    with database.connection() as setup:
        setup.execute("CREATE TABLE unguarded (on_hand integer, reserved integer)")
        setup.execute("INSERT INTO unguarded VALUES (1, 0)")
    with psycopg.connect(database._conninfo) as one, psycopg.connect(database._conninfo) as other:
        free = [tx.execute("SELECT on_hand - reserved FROM unguarded").fetchone()[0] for tx in (one, other)]
        assert free == [1, 1]
        for tx in (one, other):
            tx.execute("UPDATE unguarded SET reserved = reserved + 1")
            tx.commit()
    with database.connection() as setup:
        assert setup.execute("SELECT on_hand - reserved FROM unguarded").fetchone() == (-1,)
