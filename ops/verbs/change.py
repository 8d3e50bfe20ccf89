"""The one way by which a person changes something: the change and its audit row commit together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.engine.author import Author
from infra.tables.audit import Act, Facts, Verb, record_acts
from infra.tables.pool import Connection, Database


class UnrecordedError(Exception):
    """A change ended without saying what it did: a defect of the verb. Nothing of the change is kept."""


@dataclass(slots=True)
class Change:
    """One transaction of a person. It ends with a note, or says why there is none."""

    tx: Connection
    _author: Author
    _acts: dict[Verb, list[Act]] = field(default_factory=dict)
    _is_accounted_for: bool = False

    def note(self, verb: Verb, name: str, before: Facts | None, after: Facts | None, **facts: Any) -> None:  # noqa: ANN401 - codes and numbers
        """Say what was done to one object, such as ``order/7``, in codes and numbers, without personal data."""
        self._acts.setdefault(verb, []).append(Act(name, before, after, facts))

    def noted_below(self) -> None:
        """The function that made the change has written its audit row, in this transaction."""
        self._is_accounted_for = True

    def goes_on(self) -> None:
        """Declare that an earlier transaction of the same act has written its audit row."""
        self._is_accounted_for = True

    def unchanged(self) -> None:
        """Declare that nothing had to be changed."""
        self._is_accounted_for = True

    def write(self) -> None:
        """Write the notes. Raises UnrecordedError when there are none and the change did not declare why."""
        if not self._acts and not self._is_accounted_for:
            raise UnrecordedError
        for verb, acts in self._acts.items():
            record_acts(self.tx, self._author, verb, acts)


@contextmanager
def change(db: Database, author: Author) -> Iterator[Change]:
    """A transaction in which `author` changes something. It commits with the audit rows of its notes, or not at all."""
    with db.transaction() as tx:
        made = Change(tx, author)
        yield made
        made.write()
