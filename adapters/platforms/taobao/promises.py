"""When a TOP trade may leave and must have left, by every field that names a time. Source: TOP's structures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from adapters.china_time import CST
from adapters.instants import instant, within
from adapters.payload import Fields
from domain.lines import is_gone
from domain.order import OrderLine

_OF_TRADE = ("send_time", "delivery_time", "est_con_time", "estimate_con_time")
_OF_LINE = ("estimate_con_time", "delivery_time")
_CLOCK = r"(?:[T\s]*(\d{1,2})(?:[:：](\d{2})(?:[:：](\d{2}))?|[点时](?:(\d{1,2})分?)?))?"
_DATES = (
    re.compile(r"(\d{4})[-年/.](\d{1,2})[-月/.](\d{1,2})日?" + _CLOCK, re.ASCII),
    # Without a year.
    re.compile(r"()(?<!\d)(\d{1,2})月(\d{1,2})[日号]" + _CLOCK, re.ASCII),
)
_COUNT = r"(\d{1,4}|[一二两三四五六七八九十]{1,3})\s*(天|日|小时)"
_AFTER_PAYMENT = (
    re.compile(r"(?:付款|支付)后\s*" + _COUNT, re.ASCII),
    re.compile(_COUNT + r"\s*(?:之?内|以内)?\s*(?:发货|发出)", re.ASCII),
)
_NUMERALS = {**{numeral: value for value, numeral in enumerate("一二三四五六七八九", start=1)}, "两": 2}
# A presale's: kind 2 counts days after payment. Kind 1 is a date.
_PRESALE_DAYS = re.compile(r"2_(\d{1,3})", re.ASCII)
_PRESALE_DATE = re.compile(r"1_\D*\d", re.ASCII)


def ship_by_of(
    trade: Fields, subs: Mapping[str, Fields], lines: Sequence[OrderLine], starts_at: datetime | None
) -> datetime | None:
    """The earliest promise of the trade and of the lines that we still owe; None where no text says a time.

    Lines that have left count only when all have: by whom, is not known here. `starts_at`: payment, or what starts the
    clock instead.
    """
    promises = (_promise(text, starts_at) for text in _texts(trade, subs, lines))
    return min((moment for moment in promises if moment is not None), default=None)


def ship_from_of(
    trade: Fields, subs: Mapping[str, Fields], lines: Sequence[OrderLine], starts_at: datetime | None
) -> datetime | None:
    """The beginning, in China, of the last day that a presale of the trade or of a line that we still owe names.

    A presale names a date (kind 1), or the days after payment by which its goods are there (kind 2). No other promise
    says that it must not be kept earlier.
    """
    texts = _texts(trade, subs, lines)
    presales = [text for text in texts if _PRESALE_DATE.match(text) or _PRESALE_DAYS.fullmatch(text)]
    ends = [end for text in presales if (end := _promise(text, starts_at)) is not None]
    if not ends:
        return None
    # The end of a day may be written as the beginning of the next.
    last = max(ends).astimezone(CST) - timedelta(seconds=1)
    return last.replace(hour=0, minute=0, second=0, microsecond=0)


def _texts(trade: Fields, subs: Mapping[str, Fields], lines: Sequence[OrderLine]) -> list[str]:
    """What promises a time, of the trade and of the lines that we still owe; none where we owe nothing."""
    owed = [line for line in lines if not is_gone(line)]
    owed = [line for line in owed if not line.shipped] or owed
    if not owed:
        return []
    texts = [trade.text_or(name, "") for name in _OF_TRADE]
    texts += [subs[line.line_id].text_or(name, "") for line in owed if line.line_id in subs for name in _OF_LINE]
    return [text for text in texts if text]


def _promise(text: str, starts_at: datetime | None) -> datetime | None:
    for form in _DATES:
        if date := form.search(text):
            return _at(date, starts_at)
    if starts_at is None:
        return None
    for length in _spans(text):
        with suppress(ValueError, OverflowError):
            return within(starts_at + length)
    return None


def _at(date: re.Match[str], starts_at: datetime | None) -> datetime | None:
    """A day without a year is the one nearest to the start; None where no calendar shows the day."""
    # A bare date means the whole of that day.
    clock = (int(date[4]), int(date[5] or date[7] or 0), int(date[6] or 0)) if date[4] else (23, 59, 59)
    month, day = int(date[2]), int(date[3])
    with suppress(ValueError):
        if date[1]:
            return instant((int(date[1]), month, day), clock, CST)
        if starts_at is not None:
            start, year = starts_at, starts_at.astimezone(CST).year
            every = [instant((near, month, day), clock, CST) for near in (year - 1, year, year + 1)]
            return min(every, key=lambda moment: abs(moment - start))
    return None


def _count(text: str) -> int | None:
    """A number in digits, or in words up to ninety-nine; None for words that make none."""
    if text.isdecimal():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return _NUMERALS.get(text)
    parts = (_NUMERALS.get(tens, 0) if tens else 1, _NUMERALS.get(ones, 0) if ones else 0)
    return None if (tens and not parts[0]) or (ones and not parts[1]) else 10 * parts[0] + parts[1]


def _spans(text: str) -> Iterator[timedelta]:
    if days := _PRESALE_DAYS.fullmatch(text):
        yield timedelta(days=int(days[1]))
    for pattern in _AFTER_PAYMENT:
        if found := pattern.search(text):
            count = _count(found[1])
            if count is not None:
                yield timedelta(hours=count) if found[2] == "小时" else timedelta(days=count)
