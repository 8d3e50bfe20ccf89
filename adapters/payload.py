"""Careful reading of other people's JSON: typed fields, named faults, bounded work, no guessing.

`Fields` raises the error class it was made with: Poison while a stored payload is normalized,
Malformed while an answer is read. Facts name the field and never quote its value.
"""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from domain.errors import FulfilmentError, Malformed, Poison
from domain.money import Money, parse_money

PAYLOAD_MAX_BYTES = 8 * 1024 * 1024
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_BOM = b"\xef\xbb\xbf"
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_NUMBER_TEXT_MAX = 40
# Control characters carry no meaning in names and memos, and NUL cannot be stored in Postgres text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# Half of a surrogate pair: what is left when a platform cuts a memo in the middle of an emoji.
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def read_payload(body: bytes) -> object:
    """Decode a stored payload; fractions become Decimal.

    Raises Poison ``payload_too_large`` (before any parsing), ``payload_truncated`` for JSON that ends too
    early, or ``payload_unreadable``.
    """
    if len(body) > PAYLOAD_MAX_BYTES:
        raise Poison("payload_too_large", facts={"bytes": len(body), "limit_bytes": PAYLOAD_MAX_BYTES})
    text = body.removeprefix(_BOM)
    try:
        return _decode(text)
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


def read_answer(body: bytes) -> dict[str, Any]:
    """Decode an answer that must be a JSON object. Raises Malformed ``answer_unreadable``."""
    try:
        tree = read_payload(body)
    except Poison as error:
        raise Malformed("answer_unreadable", error.message, error.facts) from None
    if not isinstance(tree, dict):
        raise Malformed("answer_unreadable", "not a JSON object")
    return tree


def _decode(text: bytes) -> object:
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError:
        raise
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
    return _CONTROL.sub(" ", text).strip()


class Fields:
    """One JSON object with its path, read field by field. An empty text counts as absent."""

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
        return self._tree.get(name) not in (None, "")

    def text(self, name: str) -> str:
        """A required text; whole numbers are taken as their digits."""
        return self.text_or(name, "") or self.missing(name)

    def text_or(self, name: str, default: str) -> str:
        value = self._tree.get(name)
        if value is None:
            return default
        if isinstance(value, str):
            return tidy(value) or default
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.invalid(name)

    def whole(self, name: str, low: int, high: int) -> int:
        """A required whole number, as number or text, within the closed range."""
        if not self.has(name):
            self.missing(name)
        value = self._tree[name]
        text = value.strip() if isinstance(value, str) else str(value)
        if isinstance(value, bool) or not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            self.invalid(name)
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether a mark is set: true, 1 or their texts. Absent means no."""
        value = self._tree.get(name)
        return value is True or str(value).strip().lower() in {"1", "true"}

    def denies(self, name: str) -> bool:
        """Whether a mark is there and says no: false, 0 or their texts. Neither absent nor unreadable is a no."""
        value = self._tree.get(name)
        return value is False or (not isinstance(value, bool) and str(value).strip().lower() in {"0", "false"})

    def decided(self, name: str) -> bool:
        """A required yes or no."""
        if self.flag(name) or self.denies(name):
            return self.flag(name)
        return self.invalid(name) if self.has(name) else self.missing(name)

    def amount(self, name: str, currency: str) -> Money:
        """A required amount of zero or more in major units, as text or number."""
        if not self.has(name):
            self.missing(name)
        value = self._tree[name]
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            self.invalid(name)
        text = str(value).strip() if not isinstance(value, str) or len(value) <= _NUMBER_TEXT_MAX else ""
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
        return self.moment(name, read) if self.has(name) else None

    def child(self, name: str) -> "Fields":
        if self._tree.get(name) is None:
            self.missing(name)
        return Fields(self._tree[name], self._at(name), self._fault)

    def listed(self, name: str, *wrappers: str) -> tuple["Fields", ...]:
        """The objects of a list; empty when absent.

        Gateways write one list in several shapes: plain, wrapped once more under one of `wrappers`, or a
        single object without a list.
        """
        value, path = self._tree.get(name), self._at(name)
        for wrapper in wrappers:
            if isinstance(value, dict) and wrapper in value:
                value, path = value[wrapper], f"{path}.{wrapper}"
                break
        if value is None or value in ("", {}):
            return ()
        items = value if isinstance(value, list) else [value]
        return tuple(Fields(item, f"{path}[{place}]", self._fault) for place, item in enumerate(items))

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
