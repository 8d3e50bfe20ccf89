"""How a shop's changes are read: from which time, in parts of which length, and up to which time they are known
afterwards.

Times are change times of the platform, zone-aware; lengths are seconds. A part is read whole or not at all.

A change may still appear while its time is younger than `overlap_s`. What was read at that age is *open*: it is read
again. The age counts from the moment of the reading, so a shop that is far behind reads nothing twice.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

# Platforms give times in whole seconds, so a part shorter than one second contains no fewer changes.
PART_MIN_S = 1.0
# Parts become longer as long as one takes less than this of the time for reading, so that several fit into a lease.
SHARE_MAX = 1 / 4

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is remembered of a shop between two readings.

    `cursor_at`: changes up to here are stored. From `open_from` to `open_to` they are to be read again; nothing is
    open where both are the same.
    """

    cursor_at: datetime
    open_from: datetime
    open_to: datetime

    @property
    def start(self) -> datetime:
        return min(self.cursor_at, self.open_from) if self.open_from < self.open_to else self.cursor_at


def never_read(newest: datetime, overlap_s: float, first_s: float) -> Marks:
    """Marks of a shop that has never been read. `first_s`: how far back its changes are wanted."""
    start = newest - timedelta(seconds=first_s + overlap_s)
    return Marks(start, start, start)


def begin(cursor_at: datetime, known_open: Span | None, newest: datetime, overlap_s: float) -> Marks:
    """Marks to begin a reading up to `newest` with.

    Where it is not known what is open, it is the overlap before the cursor. An overlap that has become longer holds
    at once.
    """
    overlap = timedelta(seconds=overlap_s)
    marks = Marks(cursor_at, *(known_open or (cursor_at - overlap, cursor_at)))
    return _opened(marks, (newest - overlap, cursor_at))


def spans(marks: Marks, newest: datetime, overlap_s: float, part_s: float | None) -> tuple[Span, ...]:
    """What is to be read, in this order; each span from its beginning to its end, in parts of `part_s`.

    A shop without a length of its own (None), and what fits into one part, is read in one go. Otherwise what is new
    comes first, for the overlap alone may take longer than a lease; then what is open and will not change any more.
    """
    if part_s is None or newest - marks.start <= timedelta(seconds=part_s):
        return ((marks.start, newest),)
    settled = min(marks.open_to, newest - timedelta(seconds=overlap_s))
    return (marks.cursor_at, newest), (marks.open_from, settled)


def note_part(marks: Marks, part: Span, newest: datetime, overlap_s: float) -> Marks:
    """The marks after a part of a window was read completely.

    `newest`: the end of this reading (now less the platform's lag). Times after `newest` less `overlap_s` stay open,
    because changes of that time may still appear.
    """
    start, end = part
    final_to = newest - timedelta(seconds=overlap_s)
    cursor_at = end if start <= marks.cursor_at < end else marks.cursor_at
    open_from = marks.open_from
    if start <= open_from:
        open_from = min(marks.open_to, max(open_from, min(end, final_to)))
    return _opened(Marks(cursor_at, open_from, marks.open_to), (max(start, final_to), end))


def _opened(marks: Marks, span: Span) -> Marks:
    start, end = span
    if start >= end:
        return marks
    if marks.open_from >= marks.open_to:
        return Marks(marks.cursor_at, start, end)
    return Marks(marks.cursor_at, min(marks.open_from, start), max(marks.open_to, end))


def longer_s(part_s: float, part: Span, share: float, longest_s: float) -> float:
    """The length of the next parts after a part that took this share of the time that a lease leaves: at most twice as
    long.

    A part that was shorter than planned shows the speed, but does not prove that a long part is quick.
    """
    start, end = part
    fits_s = (end - start).total_seconds() * SHARE_MAX / share if share > 0 else longest_s
    return max(part_s, min(2 * part_s, fits_s, longest_s))


def shorter_s(part: Span, furthest: datetime | None) -> float:
    """The length of parts after one that broke off: half as long at most.

    `furthest`: the latest change that was stored of it. Where a platform lists the oldest first, half the way to it
    fits with room to spare.
    """
    start, end = part
    reached = end if furthest is None else min(end, furthest)
    return max(PART_MIN_S, (reached - start).total_seconds() / 2)
