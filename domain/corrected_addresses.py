"""Addresses that a person has corrected: they stay until the platform says another one than the corrected one."""

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, replace

from domain.errors import Refused
from domain.order import Address, Order, Pii

# The fields of an address that a person may write, and those without which nothing can be delivered.
FIELDS = ("name", "phone", "province", "city", "district", "town", "detail", "zip_code")
_NEEDED = ("name", "phone", "province", "city", "detail")
_LONGEST = 200


def fingerprint(receiver: Address) -> str:
    """A digest by which the same address of a platform is known again."""
    said = replace(receiver, has_virtual_phone=False)
    return hashlib.sha256("\x1f".join(map(str, astuple(said))).encode()).hexdigest()


def corrected(receiver: Address, given: Mapping[str, str]) -> Address:
    """The address with some fields replaced, in plain form.

    Raises Refused ``address_malformed`` for an unknown field or a value that no label can hold, ``address_incomplete``
    when a needed field is empty, or hidden by the platform and not given, and ``address_unchanged``.
    """
    for name, value in given.items():
        if name not in FIELDS:
            raise Refused("address_malformed", facts={"fault": "field", "field": name, "known": ", ".join(FIELDS)})
        if not value.isprintable() or len(value) > _LONGEST:
            raise Refused("address_malformed", facts={"fault": "value", "field": name, "characters_max": _LONGEST})
    is_plain = receiver.pii is Pii.PLAIN
    # Of a hidden receiver the region is plain; the rest is stars or a cipher.
    kept = {name: getattr(receiver, name) for name in FIELDS} if is_plain else _region(receiver)
    fields = {**kept, **{name: value.strip() for name, value in given.items()}}
    missing = [name for name in _NEEDED if not fields.get(name)]
    if missing:
        raise Refused("address_incomplete", facts={"fields": ", ".join(missing)})
    now = replace(receiver, **{name: fields.get(name, "") for name in FIELDS}, pii=Pii.PLAIN, merge_token="")
    if now == receiver:
        raise Refused("address_unchanged")
    return now


def keep_corrected(old: Order, new: Order) -> Order:
    """A newer content with the corrected address of the stored one, while the platform says what it said then."""
    if not old.corrected_from or fingerprint(new.receiver) != old.corrected_from:
        return new
    return replace(new, receiver=old.receiver, corrected_from=old.corrected_from)


def _region(receiver: Address) -> dict[str, str]:
    return {name: getattr(receiver, name) for name in ("province", "city", "district", "town", "zip_code")}
