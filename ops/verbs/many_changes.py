"""The changes of orders under way that take many: what each would do to an item, and how it does it to one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.engine.author import Author
from infra.tables.pool import Connection, Database
from ops.verbs.change import Change
from ops.verbs.split_orders import foresee_unsplit, unsplit_in
from ops.verbs.stop_orders import (
    CLOSE,
    RELABEL,
    REROUTE,
    STOP,
    AskedOrder,
    StopVerb,
    close_in,
    foresee_stop,
    relabel_in,
    reroute_in,
    stop_in,
)
from ops.verbs.void_packages import foresee_void, void_in

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AskForStops:
    """Asks for a stop of each order. `lines`: of a stop, SKUs that it is about; `others`: of a reroute, locations."""

    name: str
    done: str
    verb: StopVerb
    ask: Callable[[Change, int, Author, Params], AskedOrder]
    subject: str = "order"

    def foresee(self, tx: Connection, ids: Sequence[int], params: Params) -> dict[int, str]:
        return foresee_stop(tx, self.verb, ids, params, self.done)

    def prepare(self, db: Database, id_: int, params: Params, author: Author) -> object:
        """Nothing."""

    def act(self, made: Change, id_: int, params: Params, author: Author, _: object) -> dict[str, Any]:
        asked = self.ask(made, id_, author, params)
        return {"parts": list(asked.parts), "was": list(asked.states), "acts": list(asked.acts)}


@dataclass(frozen=True, slots=True)
class JoinParts:
    """No parameters."""

    name: str = "order.unsplit"
    subject: str = "order"
    done: str = "joined"

    def foresee(self, tx: Connection, ids: Sequence[int], _: Params) -> dict[int, str]:
        return foresee_unsplit(tx, ids, self.done)

    def prepare(self, db: Database, id_: int, params: Params, author: Author) -> object:
        """Nothing."""

    def act(self, made: Change, id_: int, _params: Params, author: Author, _: object) -> dict[str, Any]:
        return asdict(unsplit_in(made, id_, author))


@dataclass(frozen=True, slots=True)
class VoidPackage:
    """`is_settled`: the waybills are cancelled at their couriers already."""

    name: str = "package.void"
    subject: str = "package"
    done: str = "void_asked"

    def foresee(self, tx: Connection, ids: Sequence[int], _: Params) -> dict[int, str]:
        return foresee_void(tx, ids, self.done)

    def prepare(self, db: Database, id_: int, params: Params, author: Author) -> object:
        """Nothing."""

    def act(self, made: Change, id_: int, params: Params, author: Author, _: object) -> dict[str, Any]:
        return asdict(void_in(made, id_, author, is_settled=params.get("is_settled", False)))


CHANGES = (
    AskForStops(
        "order.stop", "stop_asked", STOP, lambda made, id_, by, how: stop_in(made, id_, by, how.get("lines", ()))
    ),
    AskForStops("order.close", "close_asked", CLOSE, lambda made, id_, by, _: close_in(made, id_, by)),
    AskForStops("order.relabel", "relabel_asked", RELABEL, lambda made, id_, by, _: relabel_in(made, id_, by)),
    AskForStops(
        "order.reroute",
        "reroute_asked",
        REROUTE,
        lambda made, id_, by, how: reroute_in(made, id_, by, how.get("others", ())),
    ),
    JoinParts(),
    VoidPackage(),
)
