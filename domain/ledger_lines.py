"""What contradicts itself of one line, or of one package, between the ledgers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from domain.ledger import Box, Carried, LineSum, OrderedLine, PartKey


def boxes_by_line(boxes: Iterable[Box]) -> dict[tuple[PartKey, str], list[Box]]:
    """The packages in which pieces of each line are, without those that were given up."""
    found: dict[tuple[PartKey, str], list[Box]] = {}
    for box in boxes:
        for line_id in () if box.is_given_up else box.lines:
            found.setdefault((box.key, line_id), []).append(box)
    return found


def contradictions_of_line(
    line: OrderedLine, boxes: Sequence[Box], *, shown: str = "", is_looked_at: bool
) -> Iterable[str]:
    """`boxes`: the packages that hold pieces of it. `is_looked_at`: a person has it, so the platform may be ahead.

    `shown`: a waybill that is known here as somebody else's, or as ours from before a restored backup.
    """
    if len(line.told) > 1:
        yield f"told {len(line.told)} times"
    packed = sum(box.lines[line.line_id] for box in boxes)
    if packed > line.quantity:
        yield f"{packed} packed of {line.quantity} ordered"
    if line.told and not line.is_merchants:
        yield "told, though the merchant does not ship it"
    if line.gone_at is not None and any(telling.at > line.gone_at for telling in line.told):
        yield "told after it was closed, refunded or shipped by somebody else"
    ours, theirs = {box.waybill for box in boxes if box.is_told}, {telling.waybill for telling in line.told}
    for waybill in sorted(theirs - ours - {shown}):
        if not is_looked_at:
            yield f"the platform has {waybill}, we have no confirmed write-back"
    for waybill in sorted(ours - theirs):
        if line.gone_at is None:
            yield f"told here with {waybill}, the platform has not heard it"


def contradictions_of_package(
    reference: str, box: Box, carried: Carried | None, skus: Mapping[tuple[PartKey, str], str]
) -> Iterable[str]:
    """`carried`: the courier's living shipment of that number. `skus`: of each line."""
    if carried is None or not _is_of(carried, reference):
        yield f"{reference}: booked here, not alive at the courier"
    elif carried.pieces is not None:
        packed: Counter[str] = Counter()
        for line_id, count in box.lines.items():
            packed[skus.get((box.key, line_id), "")] += count
        if packed != Counter(carried.pieces):
            yield f"{reference}: {dict(packed)} packed here, {dict(carried.pieces)} on the label"


def _is_of(carried: Carried, reference: str) -> bool:
    """A warehouse books under a reference of its own: its document then names the order."""
    if not carried.document:
        return carried.reference == reference
    return carried.document.partition("-")[0] == reference.partition("-")[0]


def accounted(line: LineSum) -> int:
    """Pieces that are planned, or that nobody wants of us any more."""
    return line.planned + line.cancelled + line.elsewhere
