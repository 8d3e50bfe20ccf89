"""SF's signatures. Source: SF Express open platform documentation, signature page."""

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import quote_plus

from adapters.vectors import Row, Sign, Signature, secret_of


def java_url_encode(text: str) -> str:
    """``java.net.URLEncoder``: unlike `quote_plus` it keeps the asterisk and encodes the tilde."""
    return quote_plus(text, safe="*", errors="replace").replace("~", "%7E")


def sign(body: str, timestamp: str, check_word: str, *, without_url_encoding: bool = False) -> str:
    """`msgDigest`: base64 of the raw MD5 over body, timestamp and check word."""
    text = body + timestamp + check_word
    return _digest(text if without_url_encoding else java_url_encode(text))


def sign_legacy(xml: str, check_word: str) -> str:
    """`verifyCode` of the retired XML interface."""
    return _digest(xml + check_word)


def _digest(text: str) -> str:
    # The vendor's protocol signs with MD5.
    return base64.b64encode(hashlib.md5(text.encode(errors="replace")).digest()).decode()  # noqa: S324 - see above


def _row(row: Row) -> Signature:
    body, timestamp, check_word = row["body"], str(row.get("timestamp") or ""), secret_of(row).decode()
    return Signature(
        sign(body, timestamp, check_word),
        {"variant_without_url_encoding": sign(body, timestamp, check_word, without_url_encoding=True)},
    )


def _row_legacy(row: Row) -> Signature:
    return Signature(sign_legacy(row["body"], secret_of(row).decode()))


SIGNERS: Mapping[str, Sign] = {"msgDigest": _row, "legacy BSP verifyCode": _row_legacy}
