"""Makes text of other systems harmless for a terminal: control characters are shown instead of obeyed."""

from collections.abc import Iterable

_LINE_FEED, _DELETE = 0x0A, 0x7F
# Everything that turns the direction of writing or hides it: Unicode Bidirectional Algorithm, explicit formatting.
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_LINE_ENDS = (0x2028, 0x2029)
# Beyond ASCII; an encoder of JSON escapes only what is below.
_FOREIGN = (_DELETE, *range(0x80, 0xA0), *_DIRECTIONS, *_LINE_ENDS)


def _shown(codes: Iterable[int]) -> dict[int, str]:
    return {code: repr(chr(code))[1:-1] for code in codes}


_IN_LINES = _shown([code for code in (*range(0x20), *_FOREIGN) if code != _LINE_FEED])
_IN_LINE = _IN_LINES | _shown([_LINE_FEED])
_IN_JSON = {code: f"\\u{code:04x}" for code in _FOREIGN}


def in_line(text: str) -> str:
    """One line stays one line."""
    return text.translate(_IN_LINE)


def in_lines(text: str) -> str:
    """Line feeds are kept, for text that is laid out already."""
    return text.translate(_IN_LINES)


def in_json(text: str) -> str:
    """The same JSON, with the characters that a terminal would obey written as escapes."""
    return text.translate(_IN_JSON)
