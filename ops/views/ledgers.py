"""Our side of the ledgers that are compared, read from Postgres."""

from domain.ledger import Box, LineSum, Ours, Part, PartKey
from domain.states import State
from infra.tables.pool import Connection, Database
from infra.tables.sql import load
from ops.views.looking import looking

LEDGER = load("ledger")


def our_ledger(db: Database) -> Ours:
    """Everything that `domain.ledger_check` compares. Reads whole tables, each once."""
    with looking(db) as tx:
        parts, not_ours, kept_out = _parts(tx)
        lines, skus = _lines(tx)
        return Ours(
            parts=parts,
            not_ours=not_ours,
            kept_out=kept_out,
            unread=frozenset((shop, order) for shop, order in tx.execute(LEDGER["unread"])),
            boxes=_boxes(tx),
            pieces=dict(tx.execute(LEDGER["pieces"]).fetchall()),
            lines=lines,
            skus=skus,
        )


def latencies_ms(db: Database) -> dict[str, float]:
    """99th percentile by lane, from the raw payload stored to the write-back confirmed."""
    with looking(db) as connection:
        return {lane: float(p99) for lane, p99 in connection.execute(LEDGER["latencies"])}


def _parts(tx: Connection) -> tuple[dict[PartKey, list[Part]], frozenset[PartKey], frozenset[PartKey]]:
    """Fulfillment orders by order, the orders that are not ours, and those that another system ships."""
    parts: dict[PartKey, list[Part]] = {}
    not_ours, kept_out = set(), set()
    for shop, order, is_ours, *part, is_kept_out in tx.execute(LEDGER["parts"]):
        key = (shop, order)
        state, holds, is_dead, packages, written_back, untold = part
        if is_kept_out:
            kept_out.add(key)
        mine = parts.setdefault(key, [])
        if not is_ours:
            not_ours.add(key)
        if state is not None:
            mine.append(Part(key, State(state), tuple(holds), is_dead, packages, written_back, untold))
    return parts, frozenset(not_ours), frozenset(kept_out)


def _lines(tx: Connection) -> tuple[dict[PartKey, dict[str, LineSum]], dict[tuple[PartKey, str], str]]:
    lines: dict[PartKey, dict[str, LineSum]] = {}
    skus = {}
    for shop, order, line_id, sku, quantity, planned, cancelled, elsewhere, is_ours, shown in tx.execute(
        LEDGER["lines"]
    ):
        key = (shop, order)
        lines.setdefault(key, {})[line_id] = LineSum(quantity, planned, cancelled, elsewhere, is_ours, shown)
        skus[key, line_id] = sku
    return lines, skus


def _boxes(tx: Connection) -> dict[str, Box]:
    contents: dict[str, dict[str, int]] = {}
    boxes = {}
    for shop, order, reference, waybill, line_id, quantity, is_handed_over, is_told in tx.execute(LEDGER["waybills"]):
        inside = contents.setdefault(reference, {})
        if line_id is not None:
            inside[line_id] = quantity
        boxes[reference] = Box((shop, order), waybill, inside, is_told, is_handed_over)
    return boxes
