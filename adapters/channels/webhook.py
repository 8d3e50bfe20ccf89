"""Signed web hooks to the merchant's own systems.

Source: Standard Webhooks specification, 1.0.

- Is telling idempotent? Yes: the receiver drops a repeated ``webhook-id``, which is our event id.
- Final errors: 4xx other than 401, 403, 408 and 429; 410 means that the receiver is gone for good.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

import msgspec

from adapters.http_client import HttpClient, Request
from adapters.plugin import ChannelKind, credential
from adapters.ports import Notice
from adapters.vectors import Row, Sign, Signature
from domain.errors import Misconfigured, Refused, keep_evidence
from infra.config import settings
from infra.process.clock import Clock

NAME = "webhook"
SECRET_PREFIX = "whsec_"  # noqa: S105 - the specification's prefix, no secret


def read_secret(secret: str) -> bytes:
    """The key inside ``whsec_`` and base64. Raises Misconfigured ``webhook_secret_invalid``."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key or not secret.startswith(SECRET_PREFIX):
        raise Misconfigured("webhook_secret_invalid", "a web-hook secret is whsec_ followed by base64")
    return key


def sign(message_id: str, timestamp: str, body: bytes, key: bytes) -> str:
    """The ``webhook-signature`` value, version 1."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def connect(channel: settings.Channel, http: HttpClient, clock: Clock) -> "Webhook":
    """Credential `secret`. Raises Misconfigured."""
    read_secret(credential(channel, "secret").reveal())
    return Webhook(channel, http, clock)


def build(channel: settings.Channel, notice: Notice, now: datetime) -> Request:
    """One signed delivery."""
    content = {"type": notice.event, "timestamp": notice.occurred_at.isoformat(), "data": dict(notice.content)}
    body = msgspec.json.encode(content)
    timestamp = str(int(now.timestamp()))
    key = read_secret(credential(channel, "secret").reveal())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notice.event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(notice.event_id, timestamp, body, key),
    }
    return Request("POST", channel.endpoint, NAME, is_idempotent=True, headers=headers, body=body, hides_path=True)


class Webhook:
    """See `adapters.ports.Notifier`."""

    is_idempotent = True
    needs_mobile = False

    def __init__(self, channel: settings.Channel, http: HttpClient, clock: Clock) -> None:
        self._channel = channel
        self._http = http
        self._clock = clock

    async def notify(self, notice: Notice) -> None:
        response = await self._http.send(build(self._channel, notice, self._clock.utcnow()))
        if response.status == HTTPStatus.GONE:
            gone = Misconfigured(
                "receiver_gone", "the receiver asks for no more deliveries", {"status": response.status}
            )
            raise keep_evidence(gone, response.body)
        if not response.is_ok:
            refused = Refused("notice_refused", "the receiver refused the delivery", {"status": response.status})
            raise keep_evidence(refused, response.body)


def _row(row: Row) -> Signature:
    params = row.get("params") or row.get("headers") or {}
    message_id = row.get("id") or params.get("webhook-id") or params["id"]
    timestamp = row.get("timestamp") or params.get("webhook-timestamp") or params["timestamp"]
    return Signature(sign(str(message_id), str(timestamp), row["body"].encode(), read_secret(row["secret"])))


SIGNERS: Mapping[str, Sign] = {"standard-webhooks": _row, "webhook-signature": _row}

KIND = ChannelKind(NAME, connect, SIGNERS)
