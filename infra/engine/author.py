"""The author of an act: a person or the machine, the source of the act, and its reason."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import uuid4


class Role(StrEnum):
    """The role of an author. `MACHINE` is no person: the engine, its sweeper, a rule."""

    MACHINE = "machine"
    OPERATOR = "operator"
    ADMIN = "admin"


class ActSource(StrEnum):
    """The source of an act."""

    CLI = "cli"
    CONSOLE = "console"
    RULE = "rule"
    ENGINE = "engine"
    SWEEPER = "sweeper"


def new_request_id() -> str:
    """The id of one request, as text of a UUID: every row that the request leads to carries it."""
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Author:
    """Who acts, and why.

    `who` is a name that the role does not follow from: a person may be named like a step of ours. `request_id`, the
    text of a UUID, joins all audit rows of one request; an author stands for one request.
    """

    who: str
    reason: str
    role: Role = Role.OPERATOR
    source: ActSource = ActSource.CLI
    request_id: str = field(default_factory=new_request_id)

    @property
    def is_person(self) -> bool:
        return self.role is not Role.MACHINE


def machine(reason: str, source: ActSource = ActSource.ENGINE) -> Author:
    """The engine itself as the author, which acts for `reason`; `source` says which part of it."""
    return Author("engine", reason, Role.MACHINE, source)
