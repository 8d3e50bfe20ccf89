"""Reads instants in texts of other systems: exactly, in UTC, and only from 2000 to 2100.

Systems write 0001-01-01, 1970-01-01 or 9999-12-31 for "no date". Such a text is no instant, and most of them do not
survive arithmetic, another time zone or the database either.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_TEXT_MAX = 40
_SECONDS = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_EARLIEST_S, _LATEST_S = int(EARLIEST.timestamp()), int(LATEST.timestamp())
# Length of the shortest date of ISO 8601; the clock follows the date.
_CLOCK_AT = len("20261122")
# The end of a day as ISO 8601 writes it: the first moment of the next day.
_DAY_END = re.compile(r"(?<=[T ])24(?::?00(?::?00(?:[.,]0{1,9})?)?)?(?=Z|[+-])", re.ASCII)


class NoInstantError(ValueError):
    """A date that means "no date": outside 2000 to 2100."""


def instant(day: tuple[int, int, int], clock: tuple[int, int, int], zone: tzinfo) -> datetime:
    """The moment, in UTC, of a day and a clock of `zone`. 24:00:00 is 00:00:00 of the next day.

    Raises ValueError for what no calendar or clock shows, NoInstantError for a moment outside 2000 to 2100.
    """
    if not EARLIEST.year - 1 <= day[0] <= LATEST.year:
        raise NoInstantError("outside 2000 to 2100")
    days = 0
    if clock == (24, 0, 0):
        clock, days = (0, 0, 0), 1
    return within(datetime(*day, *clock, tzinfo=zone).astimezone(UTC) + timedelta(days=days))


def within(moment: datetime) -> datetime:
    """`moment` itself, if it is from 2000 to 2100. Raises NoInstantError otherwise."""
    if not EARLIEST.year < moment.year < LATEST.year and not EARLIEST <= moment <= LATEST:
        raise NoInstantError("outside 2000 to 2100")
    return moment


def read_epoch_s(text: str) -> datetime:
    """The moment, in UTC, of whole seconds since 1970. Raises NoInstantError for a number before 2000, as 0 or the
    zero of some languages (-62135596800), and ValueError for another text or a number after 2100, as of milliseconds.
    """
    if not _SECONDS.fullmatch(text):
        raise ValueError("not whole seconds")
    seconds = int(text)
    if seconds < _EARLIEST_S:
        raise NoInstantError("before 2000")
    if seconds > _LATEST_S:
        raise ValueError("after 2100: no seconds")
    return datetime.fromtimestamp(seconds, UTC)


def read_iso(text: str) -> datetime:
    """The moment, in UTC, of an ISO 8601 text with an offset. Raises ValueError as `instant` does."""
    if len(text) > _TEXT_MAX:
        raise ValueError("too long for an instant")
    days = 0
    if "24" in text[_CLOCK_AT:]:
        text, days = _DAY_END.subn("00:00:00", text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    try:
        moment = moment.astimezone(UTC)
        return within(moment + timedelta(days=days) if days else moment)
    except OverflowError:
        raise NoInstantError("outside 2000 to 2100") from None
