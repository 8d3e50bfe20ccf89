"""The other side's own words, made fit to be stored and shown."""

import re

_WORDS_MAX = 200
_PHONE = re.compile(r"(?<!\d)(?:\+?86)?1\d{10}(?!\d)|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)", re.ASCII)


def words(text: str) -> str:
    """Shortened, on one line, phone numbers masked."""
    return _PHONE.sub("***", " ".join(text.split()))[:_WORDS_MAX]
