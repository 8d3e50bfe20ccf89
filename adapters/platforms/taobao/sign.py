"""TOP's signatures. Source: TOP calling guide; message channel and inbound calls after the vendor's client."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from adapters.vectors import Row, Sign, Signature, params_of, secret_of

SignMethod = Literal["md5", "hmac", "hmac-sha256"]
SIGN_METHODS: tuple[SignMethod, ...] = ("md5", "hmac", "hmac-sha256")


def glue(params: Mapping[str, str]) -> bytes:
    """Names and values in byte order of the names, without `sign` and without empty ones."""
    pairs = sorted((name.encode(), value.encode()) for name, value in params.items() if name and value)
    return b"".join(name + value for name, value in pairs if name != b"sign")


def sign(params: Mapping[str, str], secret: bytes, method: SignMethod) -> str:
    """The `sign` of a call, upper-case hex."""
    text = glue(params)
    if method == "md5":
        return _md5(secret + text + secret)
    digest = hashlib.md5 if method == "hmac" else hashlib.sha256
    return hmac.new(secret, text, digest).hexdigest().upper()


def sign_connect(app_key: str, group_name: str, timestamp_ms: str, secret: bytes) -> str:
    """The proof with which a message channel is opened."""
    return sign({"app_key": app_key, "group_name": group_name, "timestamp": timestamp_ms}, secret, "md5")


def sign_inbound(query: Mapping[str, str], headers: Mapping[str, str], body: bytes, secret: bytes) -> str:
    """The sign of a call that TOP makes to us: decoded query, the headers named in `top-sign-list`, raw body."""
    values = {name.lower(): value for name, value in headers.items()}
    listed = [name for name in values.get("top-sign-list", "").split(",") if name]
    text = glue({**query, **{name: values.get(name.lower(), "") for name in listed}})
    return _md5(secret + text + body + secret)


def _md5(text: bytes) -> str:
    return hashlib.md5(text).hexdigest().upper()  # noqa: S324 - the vendor's protocol, not our choice


def _row(method: SignMethod) -> Sign:
    return lambda row: Signature(sign(params_of(row["params"]), secret_of(row), method))


def _row_connect(row: Row) -> Signature:
    params = params_of(row["params"])
    timestamp_ms = params.get("timestamp") or str(row["timestamp"])
    return Signature(sign_connect(params["app_key"], params["group_name"], timestamp_ms, secret_of(row)))


def _row_inbound(row: Row) -> Signature:
    query = params_of(row.get("query") or row.get("params") or {})
    body = str(row.get("body") or "").encode()
    return Signature(sign_inbound(query, params_of(row.get("headers") or {}), body, secret_of(row)))


SIGNERS: Mapping[str, Sign] = {
    "top-md5": _row("md5"),
    "top-hmac-md5": _row("hmac"),
    "top-hmac-sha256": _row("hmac-sha256"),
    "top-tmc-connect": _row_connect,
    "top-spi": _row_inbound,
}
