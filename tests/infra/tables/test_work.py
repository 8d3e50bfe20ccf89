"""What waits for a paused step is read in stretches: a round reads no more of fifty thousand than of ten thousand."""

from pathlib import Path

import pytest

from infra.process.steps import steps_by_subject
from infra.tables.holds import HOLDS, waits_ended
from infra.tables.work import WORK, Stretch, next_stretch, overdue_behind_gates, overdue_behind_pauses

FEW, MANY = 10_000, 50_000
SIZE = 5_000
NO_LIMIT = "SET statement_timeout = 0"  # planting the rows on a busy machine may take longer than a statement may
PLANT = Path(__file__).with_name("waiting_orders.sql").read_bytes()
LIMITS = {"margin_s": 7200.0, "patience_s": 86_400.0, "limit": 500}


@pytest.fixture
def plant(database):
    """Orders that wait for their paused route, none of them for too long; a wait of each for a pause if asked."""

    def plant(first, last, *, held=False):
        query = PLANT.replace(b"generate_series(1,", f"generate_series({first},".encode())
        with database.connection() as connection:
            connection.execute(NO_LIMIT)
            connection.execute(query, {"orders": last, "waiting": 0})
            connection.execute("DELETE FROM hold WHERE code <> 'waiting_on_account'")
            connection.execute(
                """INSERT INTO work (step, subject_id, lane, account, shop, due_at)
                   SELECT 'route', id, lane, '', 's', now() - interval '1 minute' FROM fulfillment_order
                   ON CONFLICT DO NOTHING"""
            )
            if held:
                connection.execute(
                    """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
                       SELECT id, 'waiting_on_account', 'route', 'x', now(), '{"pause": "step/route"}'
                       FROM fulfillment_order ON CONFLICT DO NOTHING"""
                )
            connection.execute(
                """INSERT INTO gate (kind, name, reason, shut_by, shut_at)
                   VALUES ('step', 'route', 'stocktaking', 'mei', now()) ON CONFLICT DO NOTHING"""
            )
            connection.execute("VACUUM ANALYZE work, fulfillment_order, orders, hold")

    return plant


def pages(database, query, **named):
    """How many pages a statement reads."""
    with database.connection() as connection:
        connection.execute(NO_LIMIT)
        plan = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query, named).fetchone()[0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def cost(database, size):
    """Pages of each statement that looks for what waits too long, and for whose wait is over."""
    looked = {**LIMITS, **Stretch("", 0, size).named(), **steps_by_subject()}
    return {
        "pauses": pages(database, WORK["overdue_behind_pauses"], **looked),
        "gates": pages(database, WORK["overdue_behind_gates"], accounts=["sf/main"], **looked),
        "waits": pages(database, HOLDS["waits_ended"], accounts=[], by_pause=True, after=0, size=size),
        "next": pages(database, WORK["stretch_end"], after_step="", after_id=0, size=size),
    }


def test_a_round_reads_as_much_of_a_large_backlog_as_of_a_small_one(plant, database):
    plant(1, FEW, held=True)
    few, few_whole = cost(database, SIZE), cost(database, MANY * 2)
    plant(FEW + 1, MANY, held=True)
    many, many_whole = cost(database, SIZE), cost(database, MANY * 2)
    assert all(many[name] <= few[name] * 1.25 + 50 for name in few), (few, many)
    # The control: a look at everything grows with everything.
    assert all(many_whole[name] > 3 * few_whole[name] for name in ("pauses", "waits")), (few_whole, many_whole)


def test_stretches_meet_every_row_once(plant, database):
    plant(1, 23)
    with database.transaction() as tx:
        tx.execute("UPDATE orders SET ship_by = now()")
        found, stretch = [], Stretch("", 0, 5)
        rounds = 0
        while stretch is not None:
            found += [one.fulfillment_order_id for one in overdue_behind_pauses(tx, stretch, **LIMITS)]
            stretch = next_stretch(tx, stretch)
            rounds += 1
        assert (len(found), len(set(found)), rounds) == (23, 23, 5)
        assert overdue_behind_gates(tx, ["sf/main"], Stretch("", 0, 5), **LIMITS) == []


def test_waits_are_looked_at_in_stretches_too(plant, database):
    plant(1, 7, held=True)
    with database.transaction() as tx:
        tx.execute("DELETE FROM gate")
        first = waits_ended(tx, by_pause=True, size=4)
        second = waits_ended(tx, by_pause=True, after=first.after, size=4)
    assert (len(first.ids), len(second.ids), second.after) == (4, 3, None)
    assert not set(first.ids) & set(second.ids)
