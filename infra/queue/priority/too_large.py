"""Messages that are larger than the rules allow: Redis rejects them, and their sender gets an error."""

from collections.abc import Mapping, Sequence

from infra.queue.priority.scripts import QueueEntry

NAMED_MAX = 10


class MessageTooLarge(ValueError):
    """Raised when everything else has been sent. What was too large is kept among the rejected messages.

    `sizes`: bytes by message id, as they would lie in Redis; `max_bytes`: the most that the rules allow.
    """

    def __init__(self, sizes: Mapping[str, int], max_bytes: int) -> None:
        self.sizes = dict(sizes)
        self.max_bytes = max_bytes
        named = list(self.sizes.items())[:NAMED_MAX]
        shown = ", ".join(f"{message_id} ({size:,} bytes)" for message_id, size in named)
        more = f" and {len(self.sizes) - NAMED_MAX} more" if len(self.sizes) > NAMED_MAX else ""
        super().__init__(f"larger than {max_bytes:,} bytes and rejected: {shown}{more}")


def too_large(entries: Sequence[QueueEntry], max_bytes: int) -> dict[str, int]:
    """Sizes by message id of what the enqueue script rejects under these rules."""
    return {entry.message_id: len(entry.envelope) for entry in entries if len(entry.envelope) > max_bytes}
