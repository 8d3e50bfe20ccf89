"""Douyin's signatures. Source: the vendor's Go client."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from adapters.platforms.douyin.describe import VERSION
from adapters.vectors import Row, Sign, Signature, secret_of

DouyinSignMethod = Literal["hmac-sha256", "md5"]
SIGN_METHODS: tuple[DouyinSignMethod, ...] = ("hmac-sha256", "md5")


def param_json(params: Mapping[str, Any]) -> str:
    """The business part of a call, exactly as it is signed and sent.

    Names in order at every depth, no blanks. The two line separators are written as the vendor's client writes them, so
    that the signature holds whether the platform signs what it received or writes it again.
    """
    text = msgspec.json.encode(params, order="sorted").decode()
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def sign(
    app_key: str, method: str, param_text: str, timestamp: str, *, secret: bytes, sign_method: DouyinSignMethod
) -> str:
    """The `sign` of a call, lower-case hex. The access token is not signed."""
    text = f"app_key{app_key}method{method}param_json{param_text}timestamp{timestamp}v{VERSION}"
    return _digest(text.encode(), secret, sign_method)


def sign_inbound(
    app_key: str, param_text: str, timestamp: str, secret: bytes, sign_method: DouyinSignMethod = "md5"
) -> str:
    """The sign of a call that the platform makes to us."""
    text = f"app_key{app_key}param_json{param_text}timestamp{timestamp}"
    return _digest(text.encode(), secret, sign_method)


def sign_push(app_key: str, body: bytes, secret: bytes) -> str:
    """The header `event-sign` of a pushed message, over the bytes as they came."""
    return hashlib.md5(app_key.encode() + body + secret).hexdigest()  # noqa: S324 - the vendor's protocol, not our choice


def _digest(text: bytes, secret: bytes, sign_method: DouyinSignMethod) -> str:
    whole = secret + text + secret
    if sign_method == "md5":
        return hashlib.md5(whole).hexdigest()  # noqa: S324 - the vendor's protocol, not our choice
    return hmac.new(secret, whole, hashlib.sha256).hexdigest()


def _param_text(row: Row) -> str:
    told = row.get("param_json")
    return told if isinstance(told, str) else param_json(row.get("params") or {})


def _row(sign_method: DouyinSignMethod) -> Sign:
    def signed(row: Row) -> Signature:
        text = _param_text(row)
        timestamp, secret = str(row["timestamp"]), secret_of(row)
        value = sign(row["app_key"], row["method"], text, timestamp, secret=secret, sign_method=sign_method)
        return Signature(value, {"param_json": text})

    return signed


def _row_inbound(sign_method: DouyinSignMethod) -> Sign:
    def signed(row: Row) -> Signature:
        text = _param_text(row)
        return Signature(sign_inbound(row["app_key"], text, str(row["timestamp"]), secret_of(row), sign_method))

    return signed


def _row_push(row: Row) -> Signature:
    return Signature(sign_push(row["app_key"], str(row["body"]).encode(), secret_of(row)))


SIGNERS: Mapping[str, Sign] = {
    "douyin-hmac-sha256": _row("hmac-sha256"),
    "douyin-md5": _row("md5"),
    "douyin-spi-md5": _row_inbound("md5"),
    "douyin-spi-hmac-sha256": _row_inbound("hmac-sha256"),
    "douyin-push-md5": _row_push,
}
