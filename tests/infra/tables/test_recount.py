"""A new count against real rows: corrections are read, promises stay."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from infra.engine.author import Author
from infra.tables.recount import PART, held_at, write_count
from infra.tables.rows import rows_json
from infra.tables.stock import STOCK, count_in, lock_levels

# Somebody waits for a lock in the database of this test; other tests share the server.
WAITS = """SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"""

MEI = Author("mei", "inventory")


@pytest.fixture
def house(database):
    """Ten pieces of A and of B in the east, four of A in the west; of A two are reserved and three allocated there."""
    with database.transaction() as tx:
        count_in(tx, "east", {"A": 10, "B": 10})
        count_in(tx, "west", {"A": 4})
        tx.execute("UPDATE stock_pool SET reserved = 2, allocated = 3 WHERE sku = 'A'")
        tx.execute("UPDATE stock_location SET allocated = 3 WHERE sku = 'A' AND location = 'east'")
    return database


def figures(house):
    with house.connection() as connection:
        rows = connection.execute(
            "SELECT l.sku, l.location, l.on_hand, p.on_hand FROM stock_location AS l JOIN stock_pool AS p USING (sku)"
        )
        return {(sku, place): (here, pool) for sku, place, here, pool in rows}


def count(house, location="east", **counted):
    with house.connection() as connection:
        before = held_at(connection, location)
    return write_count(house, location, before, counted, MEI)


def refusals(house):
    with house.connection() as connection:
        return connection.execute("SELECT location, sku, on_hand, counted FROM stock_refusal").fetchall()


def test_an_upward_correction_is_read(house):
    changes = count(house, A=15, B=10)
    assert changes.raised == {"A": 5}
    assert figures(house)["A", "east"] == (15, 19)
    assert figures(house)["B", "east"] == (10, 10)


def test_a_correction_is_noted_with_who_made_it(house):
    count(house, A=15, B=10)
    with house.connection() as connection:
        rows = connection.execute("SELECT who, verb, object, before, after FROM audit").fetchall()
    assert rows == [("mei", "stock_corrected", "location/east", {"on_hand": {"A": 10}}, {"on_hand": {"A": 15}})]


def test_control_a_first_load_leaves_what_is_known_alone(house):
    with house.transaction() as tx:
        count_in(tx, "east", {"A": 15})
    assert figures(house)["A", "east"] == (10, 14)


def test_a_new_sku_is_counted_in(house):
    assert count(house, C=7).new == {"C": 7}
    assert figures(house)["C", "east"] == (7, 7)


def test_pieces_that_may_have_left_are_not_taken_off(house):
    assert count(house, A=7).lowered == {}
    assert count(house, A=5).lowered == {"A": 2}
    assert figures(house)["A", "east"] == (8, 12)


def test_a_count_below_what_is_promised_is_refused_noted_and_forgotten_once_it_is_right_again(house):
    with house.transaction() as tx:
        tx.execute("UPDATE stock_pool SET reserved = 10 WHERE sku = 'A'")
    changes = count(house, A=1, B=4)
    assert changes.refused == {"A": (10, 1)}
    assert changes.lowered == {"B": 6}, "the neighbour is corrected"
    assert figures(house)["A", "east"] == (10, 14)
    assert refusals(house) == [("east", "A", 10, 1)]
    count(house, "west", A=4)
    assert len(refusals(house)) == 1, "another location's count speaks of nothing here"
    count(house, A=10)
    assert refusals(house) == []


def test_a_sku_that_the_count_leaves_out_stays(house):
    count(house, B=10)
    assert figures(house)["A", "east"] == (10, 14)


def test_a_figure_that_moved_since_the_warehouse_was_asked_is_left_to_the_next_count(house):
    with house.connection() as connection:
        before = held_at(connection, "east")
    with house.transaction() as tx:
        tx.execute("UPDATE stock_pool SET on_hand = on_hand - 1 WHERE sku = 'B'")
        tx.execute("UPDATE stock_location SET on_hand = on_hand - 1 WHERE sku = 'B'")
    assert write_count(house, "east", before, {"B": 12}, MEI).raised == {}
    assert figures(house)["B", "east"] == (9, 9)


def test_many_skus_are_written_in_parts(house):
    many = {f"S{number:04}": 1 for number in range(2 * PART + 1)}
    assert len(count(house, **many).new) == len(many)
    assert len(count(house, **dict.fromkeys(many, 2)).raised) == len(many)


def load_without_locking_the_pool(tx, location, levels):
    rows = rows_json({"sku": sku, "quantity": quantity} for sku, quantity in levels.items())
    tx.execute(STOCK["count_in_location"], {"rows": rows, "location": location})


@pytest.fixture
def two_first_loads(house):
    """Loads B of the west in one transaction while another, which has locked B's pool row, loads it too."""

    def race(load):
        def other():
            with house.transaction() as tx:
                load(tx, "west", {"B": 1})

        with ThreadPoolExecutor(1) as pool, house.connection() as watch:
            with house.transaction() as tx:
                tx.execute("SET LOCAL deadlock_timeout = '10ms'")
                lock_levels(tx, ["B"])
                second = pool.submit(other)
                while not watch.execute(WAITS).fetchone():
                    assert not second.done()
                count_in(tx, "west", {"B": 2})
            second.result()

    return race


def test_a_first_load_locks_pool_rows_before_it_writes_location_rows(house, two_first_loads):
    two_first_loads(count_in)
    assert figures(house)["B", "west"] == (2, 12), "the first to lock wrote, the second found it known"


def test_control_a_first_load_that_writes_location_rows_before_it_locks_pool_rows_meets_a_deadlock(two_first_loads):
    with pytest.raises(psycopg.errors.DeadlockDetected):
        two_first_loads(load_without_locking_the_pool)


def test_a_first_load_locks_pool_rows_in_the_order_of_their_skus(house):
    with house.transaction() as tx:
        tx.execute("DELETE FROM stock_location")
        tx.execute("DELETE FROM stock_pool")
        tx.execute("INSERT INTO stock_pool (sku, on_hand) VALUES ('B', 0), ('A', 0)")

    def load():
        with house.transaction() as tx:
            count_in(tx, "east", {"B": 1, "A": 1})

    with ThreadPoolExecutor(1) as pool, house.connection() as watch:
        with house.transaction() as tx:
            lock_levels(tx, ["A"])
            other = pool.submit(load)
            while not watch.execute(WAITS).fetchone():
                assert not other.done()
            assert tx.execute("SELECT sku FROM stock_pool WHERE sku = 'B' FOR UPDATE NOWAIT").fetchone() == ("B",)
        other.result()
    assert figures(house) == {("A", "east"): (1, 1), ("B", "east"): (1, 1)}
