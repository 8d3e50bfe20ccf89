"""The record of an entry that could not be read: its place, the reason, and the subject that it names."""

import dataclasses

from adapters.payload import Fields
from domain.errors import FulfilmentError, Malformed


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """An entry of a page that could not be read: its place on the page, the error's code, and the field.

    `key` and `waybill`: the subject that the entry names, as far as that could be read; nothing else of the entry is
    kept.
    """

    position: int
    code: str
    field: str
    key: str = dataclasses.field(default="", repr=False)
    waybill: str = dataclasses.field(default="", repr=False)


def rejection(position: int, error: Exception, entry: object, key: str, waybill: str = "") -> Rejected:
    """`key` and `waybill` name the fields that contain the subject of the entry.

    An error outside the tree is a bug of a reader: its code is the name of its type.
    """
    if isinstance(error, FulfilmentError):
        code, field = error.code, str(error.facts.get("field", ""))
    else:
        code, field = type(error).__name__, ""
    return Rejected(position, code, field, _key(entry, key), _key(entry, waybill))


def _key(entry: object, name: str) -> str:
    try:
        return Fields(entry, "", Malformed).key_or(name, "")
    except Malformed:
        return ""
