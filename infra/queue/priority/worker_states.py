"""Which consumers belong to which of the workers in this process: each has threads of its own."""

from dataclasses import dataclass, field
from threading import Lock, current_thread

from dramatiq import Worker

from infra.queue.priority.local_queue import LocalQueue
from infra.queue.priority.slots import InHand, Slots


@dataclass(slots=True, eq=False)
class WorkerState:
    """One worker with its slots and its part of each queue. Without a worker, of consumers that nobody booted."""

    slots: Slots
    local_queues: dict[str, LocalQueue] = field(default_factory=dict)
    worker: Worker | None = None


class WorkerStates:
    """Of one broker. A state whose worker has shut down serves the next one, with the ends that it still keeps."""

    def __init__(self) -> None:
        self._in_hand = InHand()
        self._lock = Lock()
        self.first = WorkerState(Slots(self._in_hand))
        self._all = [self.first]

    def boot(self, worker: Worker) -> None:
        with self._lock:
            state = next((state for state in self._all if state.worker is None), None)
            if state is None:
                state = WorkerState(Slots(self._in_hand))
                self._all.append(state)
            state.worker = worker
            state.slots.threads = worker.worker_threads

    def shut_down(self, worker: Worker) -> None:
        with self._lock:
            for state in self._all:
                if state.worker is worker:
                    state.worker = None

    def current(self) -> WorkerState:
        """Return the state of the worker whose consumer thread this is, else the first."""
        work = getattr(current_thread(), "work_queue", None)
        with self._lock:
            mine = (state for state in self._all if state.worker is not None and state.worker.work_queue is work)
            return next(mine, self.first)

    def local_queues(self) -> list[LocalQueue]:
        with self._lock:
            return [local_queue for state in self._all for local_queue in state.local_queues.values()]
