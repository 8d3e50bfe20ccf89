"""Checks our signers against a file of signature vectors."""

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from adapters import registry
from adapters.plugin import Kind
from adapters.vectors import Row, Sign
from domain.errors import FulfilmentError, Misconfigured


@dataclass(frozen=True, slots=True)
class Failure:
    """A selected row whose signature we do not compute as printed, or not at all."""

    owner: str
    algorithm: str
    case: str
    reason: str


@dataclass(frozen=True, slots=True)
class VectorCheck:
    """`skipped` counts the rows that the filter left out."""

    passed: int
    failures: tuple[Failure, ...]
    skipped: int


def check_vectors(
    path: Path, platform: str | None = None, courier: str | None = None, channel: str | None = None
) -> VectorCheck:
    """Check every row, or only those of the named owners.

    A selected row without a signer of ours is a failure. Raises Misconfigured for an unreadable file.
    """
    wanted = {name for name in (platform, courier, channel) if name}
    signers = _signers()
    rows = _rows(path)
    selected = [row for row in rows if not wanted or _owner(row) in wanted]
    failures = []
    for row in selected:
        owner, algorithm = _owner(row), str(row.get("algorithm") or row.get("scheme") or "")
        reason = _fault(row, signers.get((owner, algorithm)))
        if reason:
            failures.append(Failure(owner, algorithm, str(row.get("case", "")), reason))
    return VectorCheck(len(selected) - len(failures), tuple(failures), len(rows) - len(selected))


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        tree = msgspec.json.decode(path.read_bytes())
        rows = msgspec.convert(tree["vectors"] if isinstance(tree, dict) else tree, list[dict[str, Any]])
    except (OSError, KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misconfigured("vectors_unreadable", f"{path.name}: {type(error).__name__}") from None
    return rows


def _owner(row: Row) -> str:
    return str(row.get("platform") or row.get("courier") or row.get("channel") or "")


def _signers() -> dict[tuple[str, str], Sign]:
    kinds: tuple[Kind, ...] = (
        *registry.platform_kinds().values(),
        *registry.courier_kinds().values(),
        *registry.channel_kinds().values(),
        *registry.warehouse_kinds().values(),
    )
    return {(kind.name, algorithm): sign for kind in kinds for algorithm, sign in kind.signers.items()}


def _fault(row: Row, sign: Sign | None) -> str:
    """Why the row fails; empty when it passes."""
    if sign is None:
        return "no signer for this algorithm"
    try:
        signature = sign(row)
    except (KeyError, ValueError, TypeError, AttributeError, FulfilmentError) as error:
        return f"row unreadable: {type(error).__name__}"
    if not _same(signature.value, row.get("expected")):
        return "value differs"
    for name, value in (row.get("also") or {}).items():
        if not _same(signature.variants.get(name), value):
            return f"variant {name} differs"
    for name, value in (row.get("must_not_be") or {}).items():
        if _same(signature.value, value):
            return f"gives what a mistake gives: {name}"
    return ""


def _same(computed: str | None, printed: object) -> bool:
    return (
        computed is not None and isinstance(printed, str) and hmac.compare_digest(computed.encode(), printed.encode())
    )
