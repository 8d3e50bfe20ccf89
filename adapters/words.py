"""The other side's own words, made fit to be stored and shown."""

import re
from collections.abc import Iterable

_WORDS_MAX = 200
_PHONE = re.compile(r"(?<!\d)(?:\+?86)?1\d{10}(?!\d)|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)", re.ASCII)


def words(text: str, hidden: Iterable[str] = ()) -> str:
    """Shortened, on one line, phone numbers masked, and so the values in `hidden`, which they had from us."""
    line = " ".join(text.split())
    for value in sorted(filter(None, hidden), key=len, reverse=True):
        line = line.replace(value, "***")
    return _PHONE.sub("***", line)[:_WORDS_MAX]
