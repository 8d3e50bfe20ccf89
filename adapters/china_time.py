"""The time text of Chinese platforms. China Standard Time has no daylight saving: a fixed offset is exact."""

from datetime import UTC, datetime, timedelta, timezone

CST = timezone(timedelta(hours=8), "CST")
_TEXT = "%Y-%m-%d %H:%M:%S"
_TEXT_LENGTH = len("2026-11-22 10:00:00")


def cst_text(moment: datetime) -> str:
    """A zone-aware moment as ``yyyy-MM-dd HH:mm:ss`` in China Standard Time."""
    return moment.astimezone(CST).strftime(_TEXT)


def read_cst(text: str) -> datetime:
    """The instant, in UTC, of ``yyyy-MM-dd HH:mm:ss`` in China Standard Time. Raises ValueError."""
    if len(text) != _TEXT_LENGTH or text[10] != " ":
        raise ValueError("not yyyy-MM-dd HH:mm:ss")
    return datetime.fromisoformat(text).replace(tzinfo=CST).astimezone(UTC)
