"""The settings of the scripts. All processes of one namespace should use the same."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """Settings of the queues of one namespace. Times in milliseconds, sizes in bytes.

    `lease_ms`: messages of a killed process come back this long after its last heartbeat.
    `share`: of so many taken (in weight), one is of a lower lane when one waits.
    `quantum`: weight that a fair key takes in one turn.
    `max_crashes`: so many processes may die of a message before it is rejected.
    `unknown_actor_grace_ms`: how long a message whose actor nobody knows is offered, at every
    `unknown_actor_retry_ms`, before it is rejected: longer than a rolling deploy.
    `rejected_max`, `rejected_max_bytes`: cap of a queue's rejected messages; beyond it they are dropped and counted.
    `producer_ttl_ms`: how long an enqueue call whose answer was lost may be repeated without effect.
    """

    lease_ms: int = 15_000
    share: int = 20
    quantum: int = 50
    max_crashes: int = 3
    max_bytes: int = 1_000_000
    rejected_max: int = 100_000
    rejected_max_bytes: int = 256_000_000
    unknown_actor_grace_ms: int = 60_000
    unknown_actor_retry_ms: int = 1_000
    producer_ttl_ms: int = 600_000

    def __post_init__(self) -> None:
        """Raise ValueError for a value that would stop a queue."""
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.max_crashes == 1:
            raise ValueError("max_crashes must be at least 2: with 1, a deadly message takes what is beside it along")
        if self.share == 1:
            raise ValueError("share must be at least 2: with 1 the higher lane would get nothing")

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()
