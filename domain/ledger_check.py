"""Compares the ledgers: what the platform ordered, what we recorded, what the courier carries, what the warehouse
sent.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.ledger import (
    CourierRecord,
    OtherLedgers,
    OurLedger,
    PackageRecord,
    PartKey,
    PartRecord,
    PlatformLine,
    PlatformRecord,
    StockRecord,
)
from domain.ledger_lines import accounted, contradictions_of_line, contradictions_of_package, packages_by_line
from domain.states import State


class Verdict(StrEnum):
    """Where an order ended; ordered from best to worst, a whole order is as its worst part."""

    DONE = "done"
    CLOSED = "closed"
    NOT_OURS = "not_ours"
    NOT_TAKEN_OVER = "not_taken_over"
    UNPAID = "unpaid"
    HELD = "held"
    OPEN = "open"
    DEAD = "dead"
    LOST = "lost"


_WORST_LAST = tuple(Verdict)
# An order that waits for a person, or was given up, may differ on the platform. The person has to settle the
# difference.
_LOOKED_AT = frozenset({Verdict.HELD, Verdict.DEAD})
# Nothing of such an order is labelled here.
_OF_OTHERS = frozenset({Verdict.NOT_OURS, Verdict.NOT_TAKEN_OVER})
# Nothing will happen to such an order any more.
_OVER = frozenset({Verdict.DONE, Verdict.CLOSED, Verdict.NOT_OURS})


@dataclass(frozen=True, slots=True)
class LedgerComparison:
    """Counts of whole orders by verdict, and every contradiction between the ledgers."""

    verdicts: Mapping[Verdict, int]
    held_by_code: Mapping[str, int]
    oversold: int
    duplicate_waybills: int
    contradictions: tuple[str, ...] = field(default=())

    @property
    def orders(self) -> int:
        return sum(self.verdicts.values())

    @property
    def lost(self) -> int:
        return self.verdicts.get(Verdict.LOST, 0)

    @property
    def agrees(self) -> bool:
        """Nothing lost, doubled or oversold, nothing unfinished, and no ledger contradicts another."""
        unfinished = self.verdicts.get(Verdict.OPEN, 0)
        return not (self.lost or self.oversold or self.duplicate_waybills or unfinished or self.contradictions)


def compare_ledgers(ours: OurLedger, theirs: OtherLedgers) -> LedgerComparison:
    """Compare. An order counts as done only if all ledgers say so of each of its lines."""
    alive = {record.waybill: record for record in theirs.courier_records if record.is_alive}
    by_line = packages_by_line(ours.booked.values())
    verdicts: dict[str, Verdict] = {}
    held: dict[str, set[str]] = {}
    contradictions: list[str] = []
    for ordered in theirs.ordered:
        verdict = _verdict(ours, ordered.key)
        contradictions += _contradictions_of_order(ours, ordered, verdict, by_line)
        if verdict is Verdict.DONE and not _is_witnessed(ordered, alive, by_line):
            verdict = Verdict.OPEN
        if verdict is Verdict.HELD:
            codes = {code for part in ours.parts[ordered.key] for code in part.holds}
            held.setdefault(ordered.group, set()).update(codes)
        worst = verdicts.get(ordered.group, Verdict.DONE)
        verdicts[ordered.group] = max(worst, verdict, key=_WORST_LAST.index)
    for reference, booked_package in ours.booked.items():
        contradictions += contradictions_of_package(
            reference, booked_package, alive.get(booked_package.waybill), ours.skus
        )
    contradictions += _contradictions_of_stock(ours, theirs.stocked)
    contradictions += _contradictions_of_documents(ours, theirs)
    return LedgerComparison(
        verdicts=Counter(verdicts.values()),
        held_by_code=Counter(
            code for group, codes in held.items() if verdicts[group] is Verdict.HELD for code in codes
        ),
        oversold=_oversold(ours.pieces, theirs.stocked),
        duplicate_waybills=_duplicates(ours, theirs.courier_records),
        contradictions=tuple(contradictions),
    )


def _verdict(ours: OurLedger, key: PartKey) -> Verdict:
    parts = ours.parts.get(key)
    if parts is None:
        return Verdict.DEAD if key in ours.unread else Verdict.LOST
    if any(part.is_dead for part in parts):
        return Verdict.DEAD
    live = [part for part in parts if part.state is not State.CLOSED]
    if key in ours.kept_out:
        return Verdict.NOT_TAKEN_OVER
    if key in ours.not_ours and not any(part.holds for part in live):
        return Verdict.NOT_OURS
    if not live:
        return Verdict.CLOSED if parts else Verdict.OPEN
    return max((_verdict_of_part(part) for part in live), key=_WORST_LAST.index)


def _verdict_of_part(part: PartRecord) -> Verdict:
    if part.holds:
        return Verdict.HELD
    if part.state is State.PENDING_PAYMENT:
        return Verdict.UNPAID
    is_done = part.packages > 0 and part.written_back == part.packages and part.unnotified == 0
    if is_done:
        return Verdict.DONE
    return Verdict.HELD if part.has_case else Verdict.OPEN


def _is_witnessed(
    ordered: PlatformRecord,
    alive: Mapping[str, CourierRecord],
    by_line: Mapping[tuple[PartKey, str], Sequence[PackageRecord]],
) -> bool:
    """Whether each line that the merchant still ships was written back whole, with living waybills of its packages."""
    told = [line for line in ordered.lines if line.told]
    wanted = [line for line in ordered.lines if line.is_merchants and line.gone_at is None]
    return bool(told) and all(_is_line_witnessed(ordered.key, line, alive, by_line) for line in wanted)


def _is_line_witnessed(
    key: PartKey,
    line: PlatformLine,
    alive: Mapping[str, CourierRecord],
    by_line: Mapping[tuple[PartKey, str], Sequence[PackageRecord]],
) -> bool:
    told = {writeback.waybill for writeback in line.told} & alive.keys()
    booked_packages = by_line.get((key, line.line_id), ())
    return (
        sum(booked_package.lines[line.line_id] for booked_package in booked_packages if booked_package.waybill in told)
        == line.quantity
    )


def _contradictions_of_order(
    ours: OurLedger,
    ordered: PlatformRecord,
    verdict: Verdict,
    by_line: Mapping[tuple[PartKey, str], Sequence[PackageRecord]],
) -> Iterable[str]:
    key = ordered.key
    sums = ours.lines.get(key, {})
    is_looked_at = verdict in _LOOKED_AT and key in ours.parts
    for line in ordered.lines:
        name = f"{key[1]}, line {line.line_id}"
        booked_packages = by_line.get((key, line.line_id), ())
        shown = sums[line.line_id].shown if line.line_id in sums else ""
        for wrong in contradictions_of_line(line, booked_packages, shown=shown, is_looked_at=is_looked_at):
            yield f"{name}: {wrong}"
        if verdict in _OVER and line.is_wanted:
            yield f"{name}: {verdict.value} here, and the platform still waits for it"
        if verdict is Verdict.DONE:
            sold, packed = (
                sums.get(line.line_id),
                sum(booked_package.lines[line.line_id] for booked_package in booked_packages),
            )
            if sold is None or sold.quantity != line.quantity:
                yield f"{name}: {line.quantity} ordered, {sold.quantity if sold else 0} known here"
            elif sold.is_ours and (sold.planned != packed or accounted(sold) != sold.quantity):
                yield f"{name}: of {sold.quantity} ordered {accounted(sold)} accounted for, {packed} packed"
    if verdict in _OF_OTHERS and any(
        booked_package.key == key for line in sums for booked_package in by_line.get((key, line), ())
    ):
        yield f"{key[1]}: labelled here, though somebody else fulfils it"


def _contradictions_of_stock(ours: OurLedger, stocked: Mapping[str, StockRecord]) -> Iterable[str]:
    """More handed over than the warehouses have seen leave. They may have seen more: a scan may still be on its way."""
    sent: Counter[str] = Counter()
    for booked_package in ours.booked.values():
        if booked_package.is_handed_over:
            sent.update(
                {ours.skus.get((booked_package.key, line), ""): count for line, count in booked_package.lines.items()}
            )
    for sku, count in sorted(sent.items()):
        left = stocked[sku].left if sku in stocked else None
        if left is not None and count > left:
            yield f"{sku}: {count} pieces handed over here, {left} left the warehouses"


def _contradictions_of_documents(ours: OurLedger, theirs: OtherLedgers) -> Iterable[str]:
    """Of one fulfillment order a warehouse works on one document, whatever its generation, and on nothing else.

    Both sides know the same documents. Of an order that waits for a person the warehouse may know more.
    """
    for document, count in sorted(Counter(map(_package_of, theirs.documents)).items()):
        if count > 1:
            yield f"{document}: {count} documents at the warehouses"
    worked_on = frozenset(theirs.documents)
    for reference, record in sorted(ours.documents.items()):
        if record.is_placed and record.location in theirs.told and reference not in worked_on:
            yield f"{reference}: placed here, and {record.location} does not work on it"
    for reference in sorted(worked_on):
        known = ours.documents.get(reference)
        if known is None or (not known.is_placed and _verdict(ours, known.key) not in _LOOKED_AT):
            yield f"{reference}: a warehouse works on it, and it is not placed here"
    for number in theirs.undocumented:
        yield f"{number}: left a warehouse that was not told of it"


def _oversold(pieces: Mapping[str, int], stocked: Mapping[str, StockRecord]) -> int:
    """Pieces promised or shipped beyond what was counted or came back, whichever ledger shows more."""
    total = 0
    for sku in pieces.keys() | stocked.keys():
        shelf = stocked.get(sku, StockRecord(0, 0))
        gone = max(pieces.get(sku, 0), shelf.shipped, shelf.left or 0)
        total += max(0, gone - shelf.counted - shelf.returned)
    return total


def _duplicates(ours: OurLedger, record: Iterable[CourierRecord]) -> int:
    """Valid waybills beyond the one that each package may have, and valid waybills that we do not know."""
    shown = {line.shown for lines in ours.lines.values() for line in lines.values()} | ours.shown_waybills
    of_box = {booked_package.waybill: reference for reference, booked_package in ours.booked.items()}
    living = Counter(
        _package_of(of_box.get(each.waybill, each.reference) if each.document else each.reference)
        for each in record
        if each.is_alive and each.waybill not in shown
    )
    known = {_package_of(reference) for reference in ours.booked}
    return sum(count - 1 if package in known else count for package, count in living.items())


def _package_of(reference: str) -> str:
    """A reference of a package or a document without its generation."""
    return reference.rpartition("-")[0]
