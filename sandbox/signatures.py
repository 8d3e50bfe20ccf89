"""The signatures of every protocol the sandbox plays, written from the vendors' own descriptions.

Deliberately a second implementation: a mistake in the engine's signers must not be able to hide here.
Sources: TOP open platform calling guide, Douyin's open platform, SF Express developer pages, Standard Webhooks
specification, Tencent Cloud signature v3 guide.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

# java.net.URLEncoder leaves exactly these octets as they are and writes a space as a plus sign.
_JAVA_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*_")
_JAVA_OCTETS = [chr(octet) if octet in _JAVA_SAFE else f"%{octet:02X}" for octet in range(256)]
_JAVA_OCTETS[ord(" ")] = "+"


def top_text(params: Mapping[str, str]) -> bytes:
    """Names and values glued in byte order of the names, without `sign` and without empty ones."""
    pairs = sorted((name.encode(), value.encode()) for name, value in params.items() if name and value)
    return b"".join(name + value for name, value in pairs if name != b"sign")


def top_sign(params: Mapping[str, str], secret: bytes, sign_method: str) -> str:
    """The `sign` of a TOP call, upper-case hex.

    Raises ValueError for a `sign_method` other than md5, hmac and hmac-sha256.
    """
    text = top_text(params)
    if sign_method == "md5":
        return hashlib.md5(secret + text + secret).hexdigest().upper()
    if sign_method == "hmac":
        return hmac.new(secret, text, hashlib.md5).hexdigest().upper()
    if sign_method == "hmac-sha256":
        return hmac.new(secret, text, hashlib.sha256).hexdigest().upper()
    raise ValueError("unknown sign_method")


def douyin_sign(query: Mapping[str, str], body: str, secret: str) -> str:
    """The `sign` of a call to Douyin's gateway, lower-case hex; the access token is not signed.

    Raises ValueError for a `sign_method` other than md5 and hmac-sha256.
    """
    signed = {name: query.get(name, "") for name in ("app_key", "method", "timestamp", "v")} | {"param_json": body}
    glued = secret + "".join(name + signed[name] for name in sorted(signed)) + secret
    sign_method = query.get("sign_method", "")
    if sign_method == "md5":
        return hashlib.md5(glued.encode()).hexdigest()
    if sign_method == "hmac-sha256":
        return hmac.new(secret.encode(), glued.encode(), hashlib.sha256).hexdigest()
    raise ValueError("unknown sign_method")


def pdd_sign(form: Mapping[str, str], secret: str) -> str:
    """The `sign` of a call to Pinduoduo's router, upper-case hex: every parameter but `sign` counts."""
    names = sorted((name for name in form if name != "sign"), key=str.encode)
    glued = "".join(f"{name}{form[name]}" for name in names)
    return hashlib.md5(f"{secret}{glued}{secret}".encode()).hexdigest().upper()


def java_url_encode(text: str) -> str:
    """What ``java.net.URLEncoder.encode(text, "UTF-8")`` gives."""
    return "".join([_JAVA_OCTETS[octet] for octet in text.encode()])


def sf_digest(msg_data: str, timestamp: str, check_word: str) -> str:
    """SF's `msgDigest`: base64 of the raw MD5 over the Java-encoded concatenation."""
    encoded = java_url_encode(msg_data + timestamp + check_word)
    return base64.b64encode(hashlib.md5(encoded.encode()).digest()).decode()


def warehouse_signature(
    method: str, path_and_query: str, timestamp: str, secret: str, body: bytes | None = None
) -> str:
    """Hex HMAC-SHA256 over method, path with query, and timestamp, one on each line.

    Of a POST the hex SHA-256 of the body's bytes stands on a fourth line.
    """
    text = f"{method}\n{path_and_query}\n{timestamp}"
    if body is not None:
        text += "\n" + hashlib.sha256(body).hexdigest()
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def webhook_signature(message_id: str, timestamp: str, body: bytes, secret: str) -> str:
    """``v1,`` and base64 HMAC-SHA256 over id, timestamp and body joined by dots.

    Raises ValueError when `secret` is not ``whsec_`` and base64.
    """
    prefix, _, encoded = secret.partition("_")
    if prefix != "whsec":
        raise ValueError("a web-hook secret begins with whsec_")
    key = base64.b64decode(encoded, validate=True)
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def tc3_signature(
    body: bytes, headers: Mapping[str, str], *, signed: str, timestamp: str, scope: str, secret: str
) -> str:
    """Hex TC3-HMAC-SHA256 of a POST to ``/``; `signed` lists header names, `scope` is day/service/request.

    Raises KeyError for a signed header that was not sent.
    """
    told = [f"{name}:{headers[name].strip().lower()}" for name in signed.split(";")]
    request = "\n".join(["POST", "/", "", *told, "", signed, hashlib.sha256(body).hexdigest()])
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = ("TC3" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def same(expected: str, given: str) -> bool:
    """Compare two signatures in constant time; any text may be given."""
    return hmac.compare_digest(expected.encode(), given.encode())
