"""Our side of the three ledgers, read from Postgres."""

from domain.reckoning import Ours, Part
from domain.states import State
from infra.db.pool import Database
from infra.db.sql import load

LEDGER = load("ledger")


def our_ledger(db: Database) -> Ours:
    """Everything that `domain.reckoning` compares."""
    with db.transaction() as tx:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        parts = {
            (shop, order): Part((shop, order), State(state), tuple(holds), is_dead, packages, written_back, untold)
            for shop, order, state, _, holds, is_dead, packages, written_back, untold in tx.execute(LEDGER["parts"])
        }
        unread = frozenset((shop, order) for shop, order in tx.execute(LEDGER["unread"]))
        booked = {
            reference: (waybill, (shop, order)) for shop, order, reference, waybill in tx.execute(LEDGER["waybills"])
        }
        pieces = dict(tx.execute(LEDGER["pieces"]).fetchall())
    return Ours(parts, unread, booked, pieces)


def latencies_ms(db: Database) -> dict[str, float]:
    """99th percentile by lane, from the raw payload stored to the write-back confirmed."""
    with db.connection() as connection:
        return {lane: float(p99) for lane, p99 in connection.execute(LEDGER["latencies"])}
