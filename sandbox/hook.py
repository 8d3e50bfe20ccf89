"""The merchant's web-hook receiver, after the Standard Webhooks specification."""

from collections.abc import Mapping

import msgspec

from sandbox.ledger import HookMessage, Ledger
from sandbox.signatures import same, webhook_signature

_CLOCK_S = 300


class Receiver:
    """Takes each message id once; a repetition is answered like the first and counted."""

    def __init__(self, secret: str, ledger: Ledger) -> None:
        self._secret = secret
        self._ledger = ledger

    def take(self, headers: Mapping[str, str], body: bytes, now: float) -> int:
        """The HTTP status for a delivery: 200 taken, 401 not signed by us or too old, 400 not JSON."""
        self._ledger.calls["hook"] += 1
        message_id = headers.get("webhook-id", "")
        if not message_id or not self._is_signed(message_id, headers, body, now):
            self._ledger.refuse("hook", "401", now)
            return 401
        if message_id in self._ledger.told:
            self._ledger.told_again += 1
            return 200
        try:
            content = msgspec.json.decode(body)
        except msgspec.DecodeError:
            self._ledger.refuse("hook", "400", now)
            return 400
        self._ledger.told[message_id] = HookMessage(message_id, content, now)
        return 200

    def _is_signed(self, message_id: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
        timestamp = headers.get("webhook-timestamp", "")
        if not (timestamp.isascii() and timestamp.isdigit()) or abs(int(timestamp) - now) > _CLOCK_S:
            return False
        expected = webhook_signature(message_id, timestamp, body, self._secret)
        # A sender that rotates its secret signs with both, separated by a space.
        return any(same(expected, given) for given in headers.get("webhook-signature", "").split(" "))
