"""Tells Redis that this process lives, while it holds messages."""

import logging
from collections.abc import Callable, Collection
from threading import Event, Thread

from dramatiq.errors import BrokerConnectionError

from infra.queue.priority.local_queue import LocalQueue

RETRY_S = 1.0

log = logging.getLogger(__name__)


class Heartbeat(Thread):
    """Renews the leases of all queues every `interval_s`, until stopped."""

    def __init__(self, local_queues: Callable[[], Collection[LocalQueue]], interval_s: float) -> None:
        super().__init__(name="priority-heartbeat", daemon=True)
        self._local_queues = local_queues
        self._interval_s = interval_s
        self._stopped = Event()

    def run(self) -> None:
        wait_s = self._interval_s
        while not self._stopped.wait(wait_s):
            wait_s = self._interval_s if self._beat() else min(RETRY_S, self._interval_s)

    def stop(self) -> None:
        self._stopped.set()
        self.join(RETRY_S)

    def _beat(self) -> bool:
        renewed = [_is_renewed(local_queue) for local_queue in self._local_queues() if local_queue.is_needed]
        return all(renewed)


def _is_renewed(local_queue: LocalQueue) -> bool:
    try:
        local_queue.beat()
    except BrokerConnectionError as error:
        log.warning("no heartbeat: %s", error)
        return False
    except Exception:
        log.exception("no heartbeat")
        return False
    return True
