"""Pinduoduo's signatures. Source: the vendor's signing guide; the message socket after a public client."""

import base64
import hashlib
from collections.abc import Mapping

from adapters.vectors import Row, Sign, Signature, params_of, secret_of


def sign(params: Mapping[str, str], secret: bytes) -> str:
    """The `sign` of a call, upper-case hex: every parameter that is sent, in byte order of the names."""
    pairs = sorted((name.encode(), value.encode()) for name, value in params.items() if name != "sign")
    glued = b"".join(name + value for name, value in pairs)
    return _md5(secret + glued + secret).upper()


def socket_digest(client_id: str, timestamp_ms: str, secret: bytes) -> str:
    """The last part of the message socket's address: base64 of the hex text of the digest."""
    return base64.b64encode(_md5(f"{client_id}{timestamp_ms}".encode() + secret).encode()).decode()


def _md5(text: bytes) -> str:
    return hashlib.md5(text).hexdigest()  # noqa: S324 - the vendor's protocol, not our choice


def _row(row: Row) -> Signature:
    return Signature(sign(params_of(row["params"]), secret_of(row)))


def _row_socket(row: Row) -> Signature:
    params = params_of(row["params"])
    return Signature(socket_digest(params["client_id"], str(row["timestamp"]), secret_of(row)))


SIGNERS: Mapping[str, Sign] = {"pdd-md5": _row, "pdd-pmc-digest": _row_socket}
