"""Contradictions between the ledgers about one line or one package."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from domain.ledger import CourierRecord, LineSum, PackageRecord, PartKey, PlatformLine


def packages_by_line(booked_packages: Iterable[PackageRecord]) -> dict[tuple[PartKey, str], list[PackageRecord]]:
    """The packages in which pieces of each line are, without those that were given up."""
    found: dict[tuple[PartKey, str], list[PackageRecord]] = {}
    for booked_package in booked_packages:
        for line_id in () if booked_package.is_given_up else booked_package.lines:
            found.setdefault((booked_package.key, line_id), []).append(booked_package)
    return found


def contradictions_of_line(
    line: PlatformLine, booked_packages: Sequence[PackageRecord], *, shown: str = "", is_looked_at: bool
) -> Iterable[str]:
    """`packages`: the packages that hold pieces of the line.

    `is_looked_at`: a person works on the order, so the platform's record may be newer. `shown`: a waybill that is
    recorded here as not ours, or as ours from before a restored backup.
    """
    parts = [writeback.pieces for writeback in line.told]
    in_parts = sum(part for part in parts if part is not None)
    if len(line.told) > 1 and (None in parts or in_parts > line.quantity):
        yield f"told {len(line.told)} times"
    packed = sum(booked_package.lines[line.line_id] for booked_package in booked_packages)
    if packed > line.quantity:
        yield f"{packed} packed of {line.quantity} ordered"
    if line.told and not line.is_merchants:
        yield "told, though the merchant does not ship it"
    if line.gone_at is not None and any(writeback.at > line.gone_at for writeback in line.told):
        yield "told after it was closed, refunded or shipped by somebody else"
    ours, theirs = (
        {booked_package.waybill for booked_package in booked_packages if booked_package.is_written_back},
        {writeback.waybill for writeback in line.told},
    )
    for waybill in sorted(theirs - ours - {shown}):
        if not is_looked_at:
            yield f"the platform has {waybill}, we have no confirmed write-back"
    for waybill in sorted(ours - theirs):
        if line.gone_at is None:
            yield f"told here with {waybill}, the platform has not heard it"


def contradictions_of_package(
    reference: str, booked_package: PackageRecord, record: CourierRecord | None, skus: Mapping[tuple[PartKey, str], str]
) -> Iterable[str]:
    """`record`: the courier's living shipment of that number. `skus`: of each line."""
    if record is None or not _is_of(record, reference):
        yield f"{reference}: booked here, not alive at the courier"
    elif record.pieces is not None:
        packed: Counter[str] = Counter()
        for line_id, count in booked_package.lines.items():
            packed[skus.get((booked_package.key, line_id), "")] += count
        if packed != Counter(record.pieces):
            yield f"{reference}: {dict(packed)} packed here, {dict(record.pieces)} on the label"


def _is_of(record: CourierRecord, reference: str) -> bool:
    """A warehouse books under a reference of its own: its document then names the order."""
    if not record.document:
        return record.reference == reference
    return record.document.partition("-")[0] == reference.partition("-")[0]


def accounted(line: LineSum) -> int:
    """Pieces that are planned, plus pieces that we no longer have to ship."""
    return line.planned + line.cancelled + line.elsewhere
