"""The time text of Chinese platforms. China Standard Time has no daylight saving: a fixed offset is exact."""

import re
from datetime import UTC, datetime, timedelta, timezone

from adapters.instants import instant, within

CST = timezone(timedelta(hours=8), "CST")
_FORMAT = "%Y-%m-%d %H:%M:%S"
_TEXT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_NUMBERS = re.compile(r"\d+", re.ASCII)


def cst_text(moment: datetime) -> str:
    """A zone-aware moment as ``yyyy-MM-dd HH:mm:ss`` in China Standard Time."""
    return moment.astimezone(CST).strftime(_FORMAT)


def read_cst(text: str) -> datetime:
    """The instant, in UTC, of ``yyyy-MM-dd HH:mm:ss`` in China Standard Time.

    24:00:00 is 00:00:00 of the next day. Raises ValueError for another text, NoInstantError outside 2000 to 2100.
    """
    if not _TEXT.fullmatch(text):
        raise ValueError("not yyyy-MM-dd HH:mm:ss")
    # Almost every text is of this century and is not 24:00:00; such a text needs no further parsing.
    if text[:2] == "20" and text[11:13] != "24":
        return within(datetime.fromisoformat(text).replace(tzinfo=CST).astimezone(UTC))
    year, month, day, hour, minute, second = map(int, _NUMBERS.findall(text))
    return instant((year, month, day), (hour, minute, second), CST)
