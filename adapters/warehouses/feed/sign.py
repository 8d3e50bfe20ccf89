"""The signature of the feed protocol: the method, the path, the time, and the body of a POST."""

import hashlib
import hmac
from collections.abc import Mapping

from adapters.vectors import Row, Sign, Signature, secret_of


def sign(method: str, path_and_query: str, timestamp: str, secret: bytes, body: bytes | None = None) -> str:
    """The ``X-Signature`` value. `body`: None for a GET, whose signature has no part for a body."""
    parts = [method, path_and_query, timestamp]
    if body is not None:
        parts.append(hashlib.sha256(body).hexdigest())
    return hmac.new(secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _row(row: Row) -> Signature:
    path = row.get("path_and_query") or row["path"]
    body = row.get("body")
    given = None if body is None else body.encode()
    return Signature(sign(row.get("method", "GET"), path, str(row["timestamp"]), secret_of(row), given))


SIGNERS: Mapping[str, Sign] = {"feed-hmac-sha256": _row}
