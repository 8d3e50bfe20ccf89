"""Careful reading of other people's JSON: typed fields, named faults, bounded work, no guessing.

`Fields` raises the error class it was made with: Poison while a stored payload is normalized,
Malformed while an answer is read. Facts name the field and never quote its value.

Every value has a limit, so that whatever was read can be stored, compared and written again. If one object has the same
name twice, the last value counts, as in most readers of JSON.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, NoReturn

import msgspec

from adapters.instants import NoInstantError
from domain.errors import FulfilmentError, Malformed, Poison
from domain.money import Money, parse_money

PAYLOAD_MAX_BYTES = 8 * 1024 * 1024
# Deepest nesting of objects and lists. Deeper ones come near the interpreter's own limit when they are written again.
NESTING_MAX = 64
# Characters of a text without a limit of its own: memos, titles, addresses.
TEXT_MAX = 4_096
# Characters of an identifier. Postgres refuses index entries of more than about 2,700 bytes.
KEY_MAX = 128
# Instead of a word that cannot be read.
UNREADABLE = "?"
# Most characters that are kept of a free text of the other side; the rest is cut.
SAID_MAX = 1_024
# Entries of a list without a limit of its own.
LIST_MAX = 10_000
# Whole numbers without a range of their own: bits of the largest that is taken as a text of digits.
_NUMBER_BITS_MAX = 128
_EXPONENT_MAX = 40
# A piece of a text that was damaged on its way.
_DAMAGED = "\ufffd"
_NO = frozenset({"", "0", "false", "no", "n"})
_YES = frozenset({"1", "true", "yes", "y"})
_BOM = b"\xef\xbb\xbf"
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_NUMBER_TEXT_MAX = 40
# Control characters carry no meaning in names and memos, and NUL cannot be stored in Postgres text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# Half of a surrogate pair: remains when a platform cuts a memo in the middle of an emoji.
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)

# A whole number of more digits than the interpreter converts.
_ODD = b"1e999"
# Texts, brackets, and numbers that JSON does not know.
_PARTS = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?(?:NaN|Infinity)\b|[\[\]{}]', re.DOTALL)
_PARTS_MAX = 200_000
_ENDLESS = re.compile(rb"(?<=[:,\[\s])-?[0-9]{1000,}(?=[,\]}\s])")


class OddNumber(msgspec.Struct, frozen=True):
    """A number that no field of ours can hold: a huge exponent, or hundreds of digits.

    It stays in the tree, so that an odd number in an unused field causes no error. Every reader of `Fields` refuses it.
    `text` is the number as written, or its digest.
    """

    text: str


def _number(text: str) -> Decimal | OddNumber:
    if len(text) > _NUMBER_TEXT_MAX:
        return OddNumber(hashlib.sha256(text.encode()).hexdigest())
    try:
        number = Decimal(text)
    except InvalidOperation:
        return OddNumber(text)
    return number if abs(number.adjusted()) <= _EXPONENT_MAX else OddNumber(text)


_decoder = msgspec.json.Decoder(float_hook=_number)


def read_payload(body: bytes) -> object:
    """Decode a stored payload; fractions become Decimal, or OddNumber.

    Raises Poison ``payload_too_large`` (before any parsing), ``payload_truncated`` for JSON that ends too
    early, or ``payload_unreadable``.
    """
    if len(body) > PAYLOAD_MAX_BYTES:
        raise Poison("payload_too_large", facts={"bytes": len(body), "limit_bytes": PAYLOAD_MAX_BYTES})
    text = body.removeprefix(_BOM)
    try:
        tree = _decode(text)
    except RecursionError:
        raise Poison("payload_unreadable", "nested too deeply", {"bytes": len(body)}) from None
    except msgspec.ValidationError:
        raise Poison("payload_unreadable", "a number is out of range", {"bytes": len(body)}) from None
    except msgspec.DecodeError as error:
        if _ends_early(str(error), text):
            raise Poison("payload_truncated", "the JSON ends too early", {"bytes": len(body)}) from None
        raise Poison("payload_unreadable", "not JSON", {"bytes": len(body)}) from None
    except UnicodeDecodeError:
        raise Poison("payload_unreadable", "not UTF-8", {"bytes": len(body)}) from None
    # Counting brackets is quick, and proves for almost every payload that it is not too deep.
    if text.count(b"{") + text.count(b"[") > NESTING_MAX and _is_too_deep(tree):
        raise Poison("payload_unreadable", "nested too deeply", {"bytes": len(body)})
    return tree


def _is_too_deep(tree: object) -> bool:
    """Whether it is nested more than `NESTING_MAX` deep, found level by level."""
    level = [tree]
    for _ in range(NESTING_MAX):
        inner: list[object] = []
        for part in level:
            if isinstance(part, dict):
                inner.extend(part.values())
            elif isinstance(part, list):
                inner.extend(part)
        if not inner:
            return False
        level = inner
    return any(isinstance(part, dict | list) for part in level)


def read_answer(body: bytes) -> dict[str, Any]:
    """Decode an answer that must be a JSON object. Raises Malformed ``answer_unreadable``."""
    try:
        tree = read_payload(body)
    except Poison as error:
        raise Malformed("answer_unreadable", error.message, error.facts) from None
    if not isinstance(tree, dict):
        raise Malformed("answer_unreadable", "not a JSON object")
    return tree


def read_page(body: bytes) -> dict[str, Any]:
    """Decode a page of entries, a JSON object, so that an unreadable part makes only its own entry fail.

    Bytes that are no UTF-8, NaN, Infinity and too deep nesting are replaced by values that every reader refuses.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body[: PAYLOAD_MAX_BYTES + 1].decode(errors="replace").encode()
    try:
        return read_answer(body)
    except Malformed:
        if len(body) > PAYLOAD_MAX_BYTES or (repaired := _without_odd_parts(body)) == body:
            raise
        return read_answer(repaired)


def _without_odd_parts(body: bytes) -> bytes:
    """The same bytes if nothing is odd, or if other damage prevents the check."""
    parts: list[bytes] = []
    kept, depth = 0, 0
    for match in islice(_PARTS.finditer(body), _PARTS_MAX):
        first = match[0][:1]
        if first in b"[{":
            depth += 1
            if depth == NESTING_MAX + 1:
                parts.append(body[kept : match.start()])
        elif first in b"]}":
            if depth == NESTING_MAX + 1:
                parts.append(_ODD)
                kept = match.end()
            depth -= 1
        elif first != b'"' and depth <= NESTING_MAX:
            parts += [body[kept : match.start()], _ODD]
            kept = match.end()
    return body if depth else b"".join([*parts, body[kept:]])


def _decode(text: bytes) -> object:
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError:
        # Only a number can be at fault where no type is asked for.
        return _decoder.decode(_ENDLESS.sub(_ODD, text))
    except msgspec.DecodeError:
        repaired = _LONE_SURROGATE.sub(rb"\\ufffd", text)
        if repaired == text:
            raise
        return _decoder.decode(repaired)


def _ends_early(fault: str, text: bytes) -> bool:
    # A number cut behind its sign, point or exponent is reported as an invalid number instead.
    return "truncated" in fault or ("invalid number" in fault and text[-1:] in b"-+.eE")


def tidy(text: str) -> str:
    """Without control characters and surrounding blanks."""
    return text.strip() if text.isprintable() else _CONTROL.sub(" ", text).strip()


class Fields:
    """One JSON object with its path, read field by field. A text of nothing but blanks counts as absent."""

    __slots__ = ("_fault", "_path", "_tree")

    def __init__(self, tree: object, path: str = "", fault: type[FulfilmentError] = Poison) -> None:
        self._path = path
        self._fault = fault
        if not isinstance(tree, dict):
            raise fault("field_invalid", f"{path or 'document'} is not an object", {"field": path})
        self._tree: dict[str, Any] = tree

    def missing(self, name: str) -> NoReturn:
        raise self._fault("field_missing", f"{self._at(name)} is missing", {"field": self._at(name)})

    def invalid(self, name: str) -> NoReturn:
        raise self._fault("field_invalid", f"{self._at(name)} cannot be read", {"field": self._at(name)})

    def has(self, name: str) -> bool:
        value = self._tree.get(name)
        return bool(value.strip()) if isinstance(value, str) else value is not None

    def text(self, name: str, limit: int = TEXT_MAX) -> str:
        """A required text of at most `limit` characters; whole numbers are taken as their digits."""
        return self.text_or(name, "", limit) or self.missing(name)

    def text_or(self, name: str, default: str, limit: int = TEXT_MAX) -> str:
        value = self._tree.get(name)
        if value is None:
            return default
        if isinstance(value, str):
            text = tidy(value)
            return text or default if len(text) <= limit else self.invalid(name)
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _NUMBER_BITS_MAX:
            return str(value)
        return self.invalid(name)

    def key(self, name: str) -> str:
        """A required identifier: short enough for an index, and not damaged."""
        return self.key_or(name, "") or self.missing(name)

    def key_or(self, name: str, default: str) -> str:
        text = self.text_or(name, default, KEY_MAX)
        return text if _DAMAGED not in text else self.invalid(name)

    def said(self, name: str) -> str:
        """A free text of the other side, cut to a limit; empty if it cannot be read. Free text never decides
        anything.
        """
        value = self._tree.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _NUMBER_BITS_MAX:
            return str(value)
        return tidy(value[:SAID_MAX]) if isinstance(value, str) else ""

    def whole(self, name: str, low: int, high: int) -> int:
        """A required whole number, as number or text, within the closed range."""
        if not self.has(name):
            self.missing(name)
        text = self._digits(name)
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            self.invalid(name)
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether a mark is set, as a boolean, 0 or 1, or their texts. Absent means no; anything else is invalid."""
        value = self._tree.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        text = str(value).strip().lower() if isinstance(value, str | int | Decimal) else "?"
        return text in _YES or (text not in _NO and self.invalid(name))

    def denies(self, name: str) -> bool:
        """Whether a mark is there and says no: false, 0 or their texts. Neither absent nor unreadable is a no."""
        value = self._tree.get(name)
        return value is False or (not isinstance(value, bool) and str(value).strip().lower() in {"0", "false"})

    def word(self, name: str) -> str:
        """One word that decides something: a text, a whole number, true or false; `?` for anything else.

        Empty where it is absent. Raises nothing: the caller decides what an unknown word means.
        """
        value = self._tree.get(name)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return tidy(value) if len(value) <= KEY_MAX else UNREADABLE
        if isinstance(value, int) and value.bit_length() <= _NUMBER_BITS_MAX:
            return str(value)
        return UNREADABLE

    def decided(self, name: str) -> bool:
        """A required yes or no."""
        if self.flag(name) or self.denies(name):
            return self.flag(name)
        return self.invalid(name) if self.has(name) else self.missing(name)

    def amount(self, name: str, currency: str) -> Money:
        """A required amount of zero or more in major units, as text or number."""
        if not self.has(name):
            self.missing(name)
        text = self._digits(name)
        if not _AMOUNT.fullmatch(text):
            self.invalid(name)
        try:
            money = parse_money(text, currency)
        except ValueError:
            self.invalid(name)
        if money.minor < 0:
            self.invalid(name)
        return money

    def amount_or(self, name: str, currency: str, default: Money) -> Money:
        return self.amount(name, currency) if self.has(name) else default

    def moment(self, name: str, read: Callable[[str], datetime]) -> datetime:
        """A required point in time, read by `read`, which raises ValueError."""
        try:
            return read(self.text(name))
        except ValueError:
            self.invalid(name)

    def moment_or_none(self, name: str, read: Callable[[str], datetime]) -> datetime | None:
        """None where it is absent, or where the text means "no date"."""
        if not self.has(name):
            return None
        try:
            return read(self.text(name))
        except NoInstantError:
            return None
        except ValueError:
            self.invalid(name)

    def child(self, name: str) -> "Fields":
        if self._tree.get(name) is None:
            self.missing(name)
        return Fields(self._tree[name], self._at(name), self._fault)

    def listed(self, name: str, *wrappers: str, limit: int = LIST_MAX) -> tuple["Fields", ...]:
        """The objects of a list of at most `limit`; empty when absent.

        Gateways write one list in several shapes: plain, wrapped once more under one of `wrappers`, or a
        single object without a list.
        """
        return tuple(Fields(item, path, self._fault) for path, item in self.entries(name, *wrappers, limit=limit))

    def entries(self, name: str, *wrappers: str, limit: int = LIST_MAX) -> list[tuple[str, object]]:
        """The entries of a list as (path, value), unchecked, so that an unreadable entry does not stop the others."""
        value, path = self._tree.get(name), self._at(name)
        for wrapper in wrappers:
            if isinstance(value, dict) and wrapper in value:
                value, path = value[wrapper], f"{path}.{wrapper}"
                break
        if value is None or value in ("", {}):
            return []
        items = value if isinstance(value, list) else [value]
        if len(items) > limit:
            self.invalid(name)
        return [(f"{path}[{index}]", item) for index, item in enumerate(items)]

    def _digits(self, name: str) -> str:
        """A number as text, whichever of the two it was; empty for anything else, or too long for a number."""
        value = self._tree[name]
        if isinstance(value, str):
            return value.strip() if len(value) <= _NUMBER_TEXT_MAX else ""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return ""
        return str(value) if isinstance(value, Decimal) or value.bit_length() <= _NUMBER_BITS_MAX else ""

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
