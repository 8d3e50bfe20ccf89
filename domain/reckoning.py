"""Three ledgers side by side: what the platform ordered, what we hold, what the courier carries."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.states import State


class Verdict(StrEnum):
    """Where an order ended; ordered from best to worst, a whole order is as its worst part."""

    DONE = "done"
    CLOSED = "closed"
    UNPAID = "unpaid"
    HELD = "held"
    OPEN = "open"
    DEAD = "dead"
    LOST = "lost"


_WORST_LAST = tuple(Verdict)

PartKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """Our record of one platform order. Counts are of its packages."""

    key: PartKey
    state: State
    holds: tuple[str, ...]
    is_dead: bool
    packages: int
    written_back: int
    untold: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """The platform's record of one order. `group` ties the parts of one source order together."""

    key: PartKey
    group: str


@dataclass(frozen=True, slots=True)
class Carried:
    """The courier's record of one waybill."""

    reference: str
    waybill: str
    is_alive: bool


@dataclass(frozen=True, slots=True)
class Ours:
    """Our side: parts, payloads nobody could read, booked waybills (reference -> number and owner), pieces by SKU."""

    parts: Mapping[PartKey, Part]
    unread: frozenset[PartKey]
    booked: Mapping[str, tuple[str, PartKey]]
    pieces: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Theirs:
    """The witnesses' side. `written_back`: platform order key -> waybill. `stocked`: SKU -> (counted, shipped)."""

    ordered: Sequence[Ordered]
    carried: Sequence[Carried]
    written_back: Mapping[PartKey, str]
    stocked: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Reckoning:
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


def reckon(ours: Ours, theirs: Theirs) -> Reckoning:
    """Compare. A part counts as done only if all three ledgers say so."""
    alive = {carried.waybill for carried in theirs.carried if carried.is_alive}
    waybills = {key: waybill for waybill, key in ours.booked.values()}
    verdicts: dict[str, Verdict] = {}
    held: dict[str, set[str]] = {}
    for ordered in theirs.ordered:
        part = ours.parts.get(ordered.key)
        verdict = _verdict(part, ordered.key in ours.unread)
        if verdict is Verdict.DONE and not _is_witnessed(ordered.key, waybills, alive, theirs.written_back):
            verdict = Verdict.OPEN
        if verdict is Verdict.HELD and part is not None:
            held.setdefault(ordered.group, set()).update(part.holds)
        worst = verdicts.get(ordered.group, Verdict.DONE)
        verdicts[ordered.group] = max(worst, verdict, key=_WORST_LAST.index)
    return Reckoning(
        verdicts=Counter(verdicts.values()),
        held_by_code=Counter(
            code for group, codes in held.items() if verdicts[group] is Verdict.HELD for code in codes
        ),
        oversold=_oversold(ours.pieces, theirs.stocked),
        duplicate_waybills=_duplicates(ours.booked, theirs.carried),
        contradictions=tuple(_contradictions(ours, theirs)),
    )


def _verdict(part: Part | None, is_unread: bool) -> Verdict:  # noqa: FBT001 - one fact of two
    if part is None:
        return Verdict.DEAD if is_unread else Verdict.LOST
    if part.is_dead:
        return Verdict.DEAD
    if part.state is State.CLOSED:
        return Verdict.CLOSED
    if part.holds:
        return Verdict.HELD
    if part.state is State.PENDING_PAYMENT:
        return Verdict.UNPAID
    is_done = part.packages > 0 and part.written_back == part.packages and part.untold == 0
    return Verdict.DONE if is_done else Verdict.OPEN


def _is_witnessed(
    key: PartKey, waybills: Mapping[PartKey, str], alive: set[str], written_back: Mapping[PartKey, str]
) -> bool:
    waybill = waybills.get(key)
    return waybill in alive and written_back.get(key) == waybill


def _oversold(pieces: Mapping[str, int], stocked: Mapping[str, tuple[int, int]]) -> int:
    """Pieces promised or shipped beyond what was counted, whichever ledger shows more."""
    total = 0
    for sku in pieces.keys() | stocked.keys():
        counted, shipped = stocked.get(sku, (0, 0))
        total += max(0, pieces.get(sku, 0) - counted, shipped - counted)
    return total


def _duplicates(booked: Mapping[str, tuple[str, PartKey]], carried: Iterable[Carried]) -> int:
    """Living waybills beyond the one that each package may have, and those of no package of ours."""
    living = Counter(_package_of(each.reference) for each in carried if each.is_alive)
    known = {_package_of(reference) for reference in booked}
    return sum(count - 1 if package in known else count for package, count in living.items())


def _package_of(reference: str) -> str:
    """A reference without its generation."""
    return reference.rpartition("-")[0]


def _contradictions(ours: Ours, theirs: Theirs) -> Iterable[str]:
    alive = {carried.waybill: carried.reference for carried in theirs.carried if carried.is_alive}
    for reference, (waybill, _) in ours.booked.items():
        if alive.get(waybill) != reference:
            yield f"{reference}: booked here, not alive at the courier"
    for key, waybill in theirs.written_back.items():
        part = ours.parts.get(key)
        # A held order may well show a waybill of somebody else: that is what the hold is about.
        if part is None or not (part.written_back or part.holds):
            yield f"{key[1]}: the platform has {waybill}, we have no confirmed write-back"
