"""The references under which a courier knows a package and a warehouse a document, for ever.

They are derived, never drawn: a database restored from a backup asks the courier with the same reference
and finds the waybill that was booked after the backup.
"""

import base64
import hashlib
import json
import re

from domain.order import OrderKey

REFERENCE_MAX_CHARS = 30
# 20 of the 52 base32 characters: 100 bits, with room for the two numbers in 30 characters.
_BASE_CHARS = 20
_NUMBER_MAX = 9999
# A document's numbers are shorter: the letter that tells documents from packages takes a character.
_DOCUMENT_NUMBER_MAX = 999
_REFERENCE = re.compile(r"([A-Z2-7]{20})-(?:W[1-9][0-9]{0,2}-[1-9][0-9]{0,2}|[1-9][0-9]{0,3}-[1-9][0-9]{0,3})")
_DOCUMENT_REFERENCE = re.compile(r"[A-Z2-7]{20}-W[1-9][0-9]{0,2}-[1-9][0-9]{0,2}")


def order_base(key: OrderKey) -> str:
    """The part that all packages of an order share."""
    # JSON separates the fields: shop "a", order "bc" differs from shop "ab", order "c".
    identity = json.dumps([key.platform, key.shop, key.platform_order_id])
    return base64.b32encode(hashlib.sha256(identity.encode()).digest()).decode()[:_BASE_CHARS]


def reference(key: OrderKey, number: int, generation: int) -> str:
    """Reference of the order's package `number` in its `generation`, both from 1.

    The generation rises only after a confirmed void. Raises ValueError outside 1 to 9999.
    """
    if not (1 <= number <= _NUMBER_MAX and 1 <= generation <= _NUMBER_MAX):
        raise ValueError(f"package number and generation run from 1 to {_NUMBER_MAX}")
    return f"{order_base(key)}-{number}-{generation}"


def document_reference(key: OrderKey, number: int, generation: int) -> str:
    """Reference of the document by which a warehouse knows the order's fulfillment order `number`, both from 1.

    No package's reference looks like it. The generation rises after a refusal or a confirmed stop, for some warehouses
    keep the references of what was cancelled. Raises ValueError outside 1 to 999.
    """
    if not (1 <= number <= _DOCUMENT_NUMBER_MAX and 1 <= generation <= _DOCUMENT_NUMBER_MAX):
        raise ValueError(f"fulfillment order number and generation run from 1 to {_DOCUMENT_NUMBER_MAX}")
    return f"{order_base(key)}-W{number}-{generation}"


def is_document_reference(text: str) -> bool:
    """Whether a reference of ours names a document at a warehouse, rather than a package."""
    return _DOCUMENT_REFERENCE.fullmatch(text) is not None


def base_of(text: str) -> str:
    """The order's part of a reference of ours, of a package or of a document; ValueError for anything else."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError("not a reference of ours")
    return match[1]
