"""Which consumers belong to which of the workers in this process: each has threads of its own."""

from dataclasses import dataclass, field
from threading import Lock, current_thread

from dramatiq import Worker

from infra.queue.priority.holding import Holding
from infra.queue.priority.slots import InHand, Slots


@dataclass(slots=True, eq=False)
class Crew:
    """One worker with its slots and what it holds of each queue. Without a worker, of consumers that nobody booted."""

    slots: Slots
    holdings: dict[str, Holding] = field(default_factory=dict)
    worker: Worker | None = None


class Crews:
    """Of one broker. A crew whose worker has shut down serves the next one, with the ends that it still keeps."""

    def __init__(self) -> None:
        self._in_hand = InHand()
        self._lock = Lock()
        self.first = Crew(Slots(self._in_hand))
        self._all = [self.first]

    def boot(self, worker: Worker) -> None:
        with self._lock:
            crew = next((crew for crew in self._all if crew.worker is None), None)
            if crew is None:
                crew = Crew(Slots(self._in_hand))
                self._all.append(crew)
            crew.worker = worker
            crew.slots.threads = worker.worker_threads

    def shut_down(self, worker: Worker) -> None:
        with self._lock:
            for crew in self._all:
                if crew.worker is worker:
                    crew.worker = None

    def current(self) -> Crew:
        """Return the crew of the worker whose consumer thread this is, else the first."""
        work = getattr(current_thread(), "work_queue", None)
        with self._lock:
            mine = (crew for crew in self._all if crew.worker is not None and crew.worker.work_queue is work)
            return next(mine, self.first)

    def holdings(self) -> list[Holding]:
        with self._lock:
            return [holding for crew in self._all for holding in crew.holdings.values()]
