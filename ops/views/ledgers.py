"""Our side of the ledgers that are compared, read from Postgres."""

from domain.ledger import DocumentRecord, LineSum, OurLedger, PackageRecord, PartKey, PartRecord
from domain.states import State
from infra.tables import ledger
from infra.tables.pool import Connection, Database
from ops.views.looking import looking


def our_ledger(db: Database) -> OurLedger:
    """Everything that `domain.ledger_check` compares. Reads whole tables, each once."""
    with looking(db) as tx:
        parts, not_ours, kept_out = _parts(tx)
        lines, skus = _lines(tx)
        return OurLedger(
            parts=parts,
            not_ours=not_ours,
            kept_out=kept_out,
            unread=ledger.unread(tx),
            booked=_boxes(tx),
            pieces=ledger.pieces(tx),
            lines=lines,
            skus=skus,
            shown_waybills=ledger.shown_waybills(tx),
            documents={
                row.reference: DocumentRecord((row.shop, row.platform_order_id), row.location, row.is_placed)
                for row in ledger.documents(tx)
            },
        )


def latencies_ms(db: Database) -> dict[str, float]:
    """99th percentile by lane, from the raw payload stored to the write-back confirmed."""
    with looking(db) as connection:
        return ledger.latencies_ms(connection)


def _parts(tx: Connection) -> tuple[dict[PartKey, list[PartRecord]], frozenset[PartKey], frozenset[PartKey]]:
    """Fulfillment orders by order, the orders that are not ours, and the orders that another system ships."""
    parts: dict[PartKey, list[PartRecord]] = {}
    not_ours, kept_out = set(), set()
    for row in ledger.parts(tx):
        key = (row.shop, row.platform_order_id)
        if row.is_kept_out:
            kept_out.add(key)
        mine = parts.setdefault(key, [])
        if not row.is_ours:
            not_ours.add(key)
        if row.state is not None:
            holds = tuple(row.holds)
            part = PartRecord(
                key,
                State(row.state),
                holds,
                row.is_dead,
                row.packages,
                row.written_back,
                row.unnotified,
                row.is_closed_while_shipped,
            )
            mine.append(part)
    return parts, frozenset(not_ours), frozenset(kept_out)


def _lines(tx: Connection) -> tuple[dict[PartKey, dict[str, LineSum]], dict[tuple[PartKey, str], str]]:
    lines: dict[PartKey, dict[str, LineSum]] = {}
    skus = {}
    for shop, order, line_id, sku, quantity, planned, cancelled, elsewhere, is_ours, shown in ledger.lines(tx):
        key = (shop, order)
        lines.setdefault(key, {})[line_id] = LineSum(quantity, planned, cancelled, elsewhere, is_ours, shown)
        skus[key, line_id] = sku
    return lines, skus


def _boxes(tx: Connection) -> dict[str, PackageRecord]:
    contents: dict[str, dict[str, int]] = {}
    booked_packages = {}
    for row in ledger.waybills(tx):
        inside = contents.setdefault(row.reference, {})
        if row.line_id is not None and row.quantity is not None:
            inside[row.line_id] = row.quantity
        key = (row.shop, row.platform_order_id)
        booked_packages[row.reference] = PackageRecord(
            key, row.waybill, inside, row.is_written_back, row.is_handed_over, row.is_given_up
        )
    return booked_packages
