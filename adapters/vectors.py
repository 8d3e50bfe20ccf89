"""Rows of signature-vector files: how a signer reads one and what it answers."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """The computed value, and the named variants that a row may list under ``also``."""

    value: str
    variants: Mapping[str, str] = field(default_factory=dict)


Sign = Callable[[Row], Signature]


def secret_of(row: Row) -> bytes:
    """The row's secret: plain UTF-8 text, hex or base64. Raises KeyError or ValueError."""
    if "secret_hex" in row:
        return bytes.fromhex(row["secret_hex"])
    if "secret_base64" in row:
        return base64.b64decode(row["secret_base64"], validate=True)
    secret: str = row["secret"]
    return secret.encode()


def params_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as they are sent: booleans in lower case, structures as compact JSON, null left out."""
    return {name: as_sent(value) for name, value in params.items() if value is not None}


def as_sent(value: object) -> str:
    """A parameter as text: booleans in lower case, structures as compact JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
