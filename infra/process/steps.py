"""The map of steps as this process knows it.

The engine names no step: it asks this map by the name that a stored row or a message carries. `actors` says where the
map comes from (`STEPS.come_from`), and it is made when somebody first asks, so that a command that needs no step
imports none. A test may put a map of its own in for a while (`STEPS.replaced`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock

from domain.states import State
from domain.steps import Step, Steps, Subject


class KnownSteps(Mapping[str, Step]):
    """`domain.steps.Steps`, made at the first question. Raises RuntimeError while nobody has said where they come from.

    Safe to share among threads.
    """

    def __init__(self) -> None:
        self._find: Callable[[], Steps] | None = None
        self._steps: Steps | None = None
        # Re-entrant: the files of the steps are imported under it, and may ask what has been said so far.
        self._lock = RLock()

    def come_from(self, find: Callable[[], Steps]) -> None:
        """Say who makes the map, once for the process; it is made at the first question."""
        with self._lock:
            self._find, self._steps = find, None

    @contextmanager
    def replaced(self, steps: Steps) -> Iterator[None]:
        """Another map, until the end of the block."""
        before = self._steps
        self._steps = steps
        try:
            yield
        finally:
            self._steps = before

    def map(self) -> Steps:
        """The map as a value."""
        if (known := self._steps) is not None:
            return known
        with self._lock:
            if self._steps is None:
                if self._find is None:
                    raise RuntimeError("no steps are known in this process: import `actors` before the engine works")
                self._steps = self._find()
            return self._steps

    def __getitem__(self, name: str) -> Step:
        return self.map()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.map())

    def __len__(self) -> int:
        return len(self.map())

    def leads_on(self, state: State) -> tuple[str, ...]:
        return self.map().leads_on(state)

    def of(self, *subjects: Subject) -> list[str]:
        return self.map().of(*subjects)

    def endless(self) -> list[str]:
        return self.map().endless()

    def points(self) -> tuple[str, ...]:
        return self.map().points()


STEPS = KnownSteps()

_PARAMETERS = {
    "of_shops": Subject.SHOP,
    "of_locations": Subject.LOCATION,
    "of_payloads": Subject.RAW_PAYLOAD,
    "of_fulfillment": Subject.FULFILLMENT_ORDER,
    "of_packages": Subject.PACKAGE,
    "of_notices": Subject.NOTICE,
    "of_cases": Subject.CASE,
}


def steps_by_subject() -> dict[str, list[str]]:
    """The names of the steps that work on each kind of subject, as parameters of a query that names no step."""
    return {name: STEPS.of(subject) for name, subject in _PARAMETERS.items()}


def hurried_by_subject() -> dict[str, list[str]]:
    """The same without the steps that repeat their work for weeks: neither a clock nor a person waits for those."""
    return {name: [step for step in steps if not STEPS[step].repeats] for name, steps in steps_by_subject().items()}
