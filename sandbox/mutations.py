"""Seeded mutations of JSON documents, as bytes: what a hostile, careless or damaged neighbour might send.

The same seed and documents give the same bytes. Most mutations keep the structure and spoil a value or two; some
spoil the bytes themselves.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

# A list in which a value stands is a list; an object is a list of pairs, so that a name may stand in it twice.
_Path = tuple[list[Any], int]


class _Raw(str):
    """Text that goes into the document as it is, JSON or not."""

    __slots__ = ()


class _Object(list[list[Any]]):
    """Pairs of a name and a value."""

    __slots__ = ()


NUMBERS = (
    *("1e999999999999999999999999", "-1e-999999999999999999999999", "0e99999999999", "1E400", "1e3", "1.0", "-0", "-1"),
    *("9" * 400, "9" * 4_299, "9" * 4_301, "-" + "1" * 5_000, "1." + "3" * 400, "2147483648", "9223372036854775808"),
    *("32768", "18446744073709551616", "1e308", "0.1", "99999999999999.99", "1e-7", "NaN", "Infinity", "-Infinity"),
)
DATES = (
    *("0001-01-01 00:00:00", "9999-12-31 23:59:59", "9999-12-31 24:00:00", "0000-00-00 00:00:00"),
    *("1970-01-01 08:00:00", "1999-12-31 23:59:59", "2100-01-01 08:00:01", "2026-11-22 24:00:00"),
    *("2026-11-22 24:00:01", "2026-02-30 10:00:00", "2026-11-22 10:00:60", "20261122100000", "2026-11-22"),
    *("0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-23:59", "2026-11-22T24:00:00+08:00", "2026-11-22T10:00:00"),
    *("2026-W47-7T10:00:00Z", "2026-11-22T10:00:00+99:00", "2026-11-22T10:00:00.1234567891234Z", "1795312800"),
    *(
        "2026年11月22日 24:00",
        "0001年1月1日",
        "9999-12-31 24:00发货",
        "付款后9999天",
        "支付后 0 小时",
        "2026-13-45 99:99",
    ),
)
TEXTS = (
    *("", " ", "0", "-1", "1e9", "NaN", "true", "None", "null", "٣", "１２", "²", "1_0", "0x1", "１.５", "1,5", "+1"),
    *("\x00", "a\x00b", "\x1b[31mred\x1b[0m", "\x9b31m", "\x07", "a\r\nX-Evil: 1", "\u202ecod", "\ufeff", "\u2028"),
    *("\ufffd", "\uffff", "é", "🎁" * 2_000, "x" * 129, "x" * 4_097, "长" * 9_000, "' OR 1=1 --", "%s%n", "{}"),
    *("<script>alert(1)</script>", "../../etc/passwd", "NO_REFUND", "SUCCESS", "TRADE_CLOSED", "STATUS_OF_TOMORROW"),
    *('{"live":1e99999999999999999999,"vip":[]}', '{"live":{"a":1},"vip":1e999}', "[" * 994 + "]" * 994),
    *('{"vip":' * 994 + "1" + "}" * 994, '{"live":' + "9" * 5_000 + "}", '{"live":"\\ud83d"}'),
)
# As they stand in a document: halves of characters, names without a value, and other damage.
RAW = (
    *('"\\ud83d"', '"\\udce6x"', '"\\ud83d\\ud83d\\udce6"', '"\\u0000"', '"\\x"', "'a'", "tru", "nul", "", "undefined"),
    *("[]", "{}", "[[]]", "[null]", "[{}]", '{"":{}}', "null", "true", "false", "0", "1", "//", '"', "\\", "[1,]"),
)
DEPTHS = (62, 63, 64, 65, 200, 900, 993, 994, 995, 1_500, 5_000)
MANY = (101, 1_001, 10_001)
_CHANGES_MAX = 3
_BYTES_SHARE = 0.15


class Mutations:
    """Draws mutations; what it was given is never changed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def of(self, document: object) -> bytes:
        """One mutated document."""
        root: list[Any] = [_opened(document)]
        for _ in range(self._draw.randint(1, _CHANGES_MAX)):
            self._change(root)
        body = _written(root[0]).encode("utf-8", "surrogatepass")
        return self._damage(body) if self._draw.random() < _BYTES_SHARE else body

    def text(self, texts: Sequence[str]) -> str:
        """One mutated text, for what is read outside of any document."""
        base = self._draw.choice((*texts, *texts, *DATES, *NUMBERS, *TEXTS))
        if self._draw.random() < 1 / 2:
            return base
        other = self._draw.choice((*texts, *DATES, *TEXTS))
        at, to = self._draw.randint(0, len(base)), self._draw.randint(0, len(other))
        return base[:at] + chr(self._draw.choice((*range(128), 0xB2, 0x660, 0xFF11, 0xD800, 0x1F381))) + other[to:]

    def _change(self, root: list[Any]) -> None:
        places = list(_places(root))
        place = self._draw.choice(places)
        self._draw.choice(_CHANGES)(self, place, places)

    def _spoil(self, place: _Path, _places: list[_Path]) -> None:
        holder, at = place
        drawn = self._draw.random()
        if drawn < 0.3:  # noqa: PLR2004 - shares of the draw
            holder[at] = _Raw(self._draw.choice(NUMBERS))
        elif drawn < 0.55:  # noqa: PLR2004 - shares of the draw
            holder[at] = self._draw.choice(DATES)
        elif drawn < 0.8:  # noqa: PLR2004 - shares of the draw
            holder[at] = self._draw.choice(TEXTS)
        else:
            holder[at] = _Raw(self._draw.choice(RAW))

    def _swap(self, place: _Path, places: list[_Path]) -> None:
        (one, at), (other, to) = place, self._draw.choice(places)
        one[at] = _copied(other[to])

    def _drop(self, place: _Path, places: list[_Path]) -> None:
        holder, at = self._entry(place, places)
        if isinstance(holder, list) and len(holder) > at and holder is not places[0][0]:
            del holder[at]

    def _repeat(self, place: _Path, places: list[_Path]) -> None:
        """A name that stands twice, or a list that grows."""
        holder, at = self._entry(place, places)
        if holder is places[0][0]:
            return
        times = self._draw.choice(MANY) if self._draw.random() < 1 / 20 else 1
        holder[at:at] = [holder[at]] * times

    def _rename(self, place: _Path, places: list[_Path]) -> None:
        holder, at = self._entry(place, places)
        if isinstance(holder, _Object):
            name = holder[at][0]
            other = self._draw.choice((name.upper(), name + "_", name[:-1], "", "tid", "error_response", "code"))
            holder[at] = [other, holder[at][1]]

    def _wrap(self, place: _Path, _places: list[_Path]) -> None:
        holder, at = place
        inner = holder[at]
        holder[at] = self._draw.choice(([inner], _Object([["a", inner]]), _Object([["trade", inner]])))

    def _nest(self, place: _Path, _places: list[_Path]) -> None:
        holder, at = place
        depth = self._draw.choice(DEPTHS)
        opener, closer = self._draw.choice((("[", "]"), ('{"a":', "}")))
        holder[at] = _Raw(opener * depth + "1" + closer * depth)

    def _entry(self, place: _Path, places: list[_Path]) -> _Path:
        """The place itself in a list; the pair that it belongs to in an object."""
        holder, _ = place
        for outer, at in places:
            if isinstance(outer[at], _Object):
                for number, pair in enumerate(outer[at]):
                    if pair is holder:
                        return outer[at], number
        return place

    def _damage(self, body: bytes) -> bytes:
        at = self._draw.randint(0, len(body))
        to = min(len(body), at + self._draw.randint(0, 40))
        return self._draw.choice(
            (
                lambda: body[:at],
                lambda: body[at:],
                lambda: body[:at] + self._draw.randbytes(self._draw.randint(1, 4)) + body[to:],
                lambda: body[:at] + body[at:to] * 2 + body[to:],
                lambda: body[:at] + bytes([self._draw.choice(b'"\\{}[]:,0eE.-+\x00\xff\xed')]) + body[at:],
                lambda: b"\xef\xbb\xbf" + body,
                lambda: body[:at] + b"\xed\xa0\x80" + body[at:],
            )
        )()


_CHANGES: tuple[Callable[[Mutations, _Path, list[_Path]], None], ...] = (
    *[Mutations._spoil] * 10,  # noqa: SLF001 - its own table
    *[Mutations._swap] * 3,  # noqa: SLF001 - as above
    *[Mutations._drop] * 3,  # noqa: SLF001 - as above
    Mutations._repeat,  # noqa: SLF001 - as above
    *[Mutations._rename] * 2,  # noqa: SLF001 - as above
    Mutations._wrap,  # noqa: SLF001 - as above
    Mutations._nest,  # noqa: SLF001 - as above
)


def _opened(value: object) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, dict):
        return _Object([[name, _opened(part)] for name, part in value.items()])
    return [_opened(part) for part in value] if isinstance(value, list) else value


def _copied(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, _Object):
        return _Object([[name, _copied(part)] for name, part in value])
    return [_copied(part) for part in value] if isinstance(value, list) else value


def _places(root: list[Any]) -> Iterator[_Path]:
    """Where a value stands: the list that holds it, and its number there. The root comes first."""
    left: list[_Path] = [(root, 0)]
    while left:
        holder, at = left.pop()
        yield holder, at
        value = holder[at]
        if isinstance(value, _Object):
            left.extend((pair, 1) for pair in value)
        elif isinstance(value, list):
            left.extend((value, number) for number in range(min(len(value), MANY[0])))


def _written(value: Any) -> str:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, _Raw):
        return value
    if isinstance(value, _Object):
        return "{" + ",".join(f"{json.dumps(name)}:{_written(part)}" for name, part in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
