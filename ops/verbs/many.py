"""The verbs that take many: what each would do to an item, and how it does it to one.

A verb's last transaction also writes down what became of the item, so that a process may die anywhere: an item is done
and accounted for, or it waits. What a verb does before that transaction is safe to do twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.errors import Conflict
from domain.holds import HoldCode
from domain.order import Lane
from infra.engine.author import Author
from infra.tables.bulk_acts import (
    foresee_discard,
    foresee_expedite,
    foresee_hold,
    foresee_hold_change,
    foresee_put_back,
)
from infra.tables.cases import foresee_case_change
from infra.tables.pool import Connection, Database
from infra.tables.writebacks import OpenWriteBack, Selection
from ops.verbs.adopt import adopt_in, foresee_adopt
from ops.verbs.cases import assign_cases_in, close_cases_in
from ops.verbs.change import Change
from ops.verbs.expedite import choose_order_lane, move_work
from ops.verbs.hold_orders import assign_in, hold_in, snooze_in
from ops.verbs.holds import foresee, release_in
from ops.verbs.letters import discard_in
from ops.verbs.many_changes import CHANGES
from ops.verbs.writeback_retry import clear_the_way, put_back
from ops.views.looking import looking
from ops.views.writebacks import open_writebacks

Params = Mapping[str, Any]

# A write-back whose order is held, with its package still in the house.
ORDER_HELD = "order_held"


class BulkVerb(Protocol):
    """`name` is stable; `subject` says what its items are: order, hold, case, letter or package.

    `done`: the code of an item to which it was done, the only one that a preview counts as going to be done.
    """

    @property
    def name(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def done(self) -> str: ...

    def foresee(self, tx: Connection, ids: Sequence[int], params: Params, /) -> dict[int, str]:
        """What it would end with, by item: `done`, or the code of a refusal. Changes nothing."""
        ...

    def prepare(self, db: Database, id_: int, params: Params, author: Author, /) -> object:
        """What must be done before, in transactions of its own; handed on to `act`. None: nothing was to be done.

        Otherwise `act` follows also when the bulk act is stopped meanwhile. Raises as the verb does.
        """
        ...

    def act(self, made: Change, id_: int, params: Params, author: Author, prepared: Any, /) -> dict[str, Any]:  # noqa: ANN401 - whatever its own `prepare` returns
        """Do it, and return facts for whoever looks. Raises as the verb does; then nothing of it is kept."""
        ...


class _Plain:
    """A verb of one transaction."""

    def prepare(self, db: Database, id_: int, params: Params, author: Author) -> object:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class ReleaseHold(_Plain):
    """`code`: of the hold; `despite_refund`: also where a refund is asked for."""

    name: str = "order.release"
    subject: str = "order"
    done: str = "released"

    def foresee(self, tx: Connection, ids: Sequence[int], params: Params) -> dict[int, str]:
        return foresee(tx, ids, HoldCode(params["code"]), despite_refund=params.get("despite_refund", False))

    def act(self, made: Change, id_: int, params: Params, author: Author, _: object) -> dict[str, Any]:
        despite_refund = params.get("despite_refund", False)
        released = release_in(made, id_, HoldCode(params["code"]), author, despite_refund=despite_refund)
        return {"state": released.state, "still_held_by": list(released.still_held_by), "due": list(released.due)}


@dataclass(frozen=True, slots=True)
class HoldOrder(_Plain):
    """`code`; `owner` and `due_at` (ISO 8601) where the code shall not decide."""

    name: str = "order.hold"
    subject: str = "order"
    done: str = "held"

    def foresee(self, tx: Connection, ids: Sequence[int], params: Params) -> dict[int, str]:
        return foresee_hold(tx, ids, params["code"])

    def act(self, made: Change, id_: int, params: Params, author: Author, _: object) -> dict[str, Any]:
        code, due_at = HoldCode(params["code"]), _moment(params.get("due_at"))
        held = hold_in(made, id_, code, author, owner=params.get("owner"), due_at=due_at)
        return {"was": list(held.was), "left": list(held.left)}


@dataclass(frozen=True, slots=True)
class Expedite:
    """`lane`."""

    name: str = "order.expedite"
    subject: str = "order"
    done: str = "expedited"

    def foresee(self, tx: Connection, ids: Sequence[int], _: Params) -> dict[int, str]:
        return foresee_expedite(tx, ids)

    def prepare(self, db: Database, id_: int, params: Params, author: Author) -> object:
        # A step holds the row of its work while it waits for the order: the two are never locked together here.
        return choose_order_lane(db, id_, Lane(params["lane"]), author)

    def act(self, made: Change, id_: int, params: Params, _: Author, prepared: object) -> dict[str, Any]:
        return {"was": prepared, "moved": list(move_work(made, id_, Lane(params["lane"])))}


@dataclass(frozen=True, slots=True)
class AdoptOrder(_Plain):
    """No parameters."""

    name: str = "order.adopt"
    subject: str = "order"
    done: str = "adopted"

    def foresee(self, tx: Connection, ids: Sequence[int], _: Params) -> dict[int, str]:
        return foresee_adopt(tx, ids)

    def act(self, made: Change, id_: int, _params: Params, author: Author, _: object) -> dict[str, Any]:
        adopted = adopt_in(made, id_, author)
        return {"was": adopted.was, "state": adopted.state}


@dataclass(frozen=True, slots=True)
class _ChangeOpen(_Plain):
    """A verb on open holds or cases that changes nothing of their orders."""

    name: str
    done: str
    subject: str

    def foresee(self, tx: Connection, ids: Sequence[int], _: Params) -> dict[int, str]:
        look = foresee_case_change if self.subject == "case" else foresee_hold_change
        return look(tx, ids, self.done)


@dataclass(frozen=True, slots=True)
class AssignHold(_ChangeOpen):
    """`owner`; `due_at` (ISO 8601) where the due time shall change."""

    def act(self, made: Change, id_: int, params: Params, author: Author, _: object) -> dict[str, Any]:
        [one] = assign_in(made, [id_], params["owner"], author, due_at=_moment(params.get("due_at")))
        return {"order_id": one.order_id, "code": one.code, "was": one.was_owner}


@dataclass(frozen=True, slots=True)
class SnoozeHold(_ChangeOpen):
    """`until` (ISO 8601), or none to end a snooze."""

    def act(self, made: Change, id_: int, params: Params, author: Author, _: object) -> dict[str, Any]:
        [one] = snooze_in(made, [id_], _moment(params.get("until")), author)
        return {"order_id": one.order_id, "code": one.code, "owner": one.owner}


@dataclass(frozen=True, slots=True)
class AssignCase(_ChangeOpen):
    """`owner`; `due_at` (ISO 8601) where the due time shall change."""

    def act(self, made: Change, id_: int, params: Params, _author: Author, _: object) -> dict[str, Any]:
        [one] = assign_cases_in(made, [id_], params["owner"], due_at=_moment(params.get("due_at")))
        return {"order_id": one.order_id, "code": one.kind, "was": one.was_owner}


@dataclass(frozen=True, slots=True)
class CloseCase(_ChangeOpen):
    """No parameters: the reason is the author's."""

    def act(self, made: Change, id_: int, _params: Params, author: Author, _: object) -> dict[str, Any]:
        [one] = close_cases_in(made, [id_], author)
        return {"order_id": one.order_id, "code": one.kind}


@dataclass(frozen=True, slots=True)
class DiscardLetter(_Plain):
    """No parameters."""

    name: str = "letter.discard"
    subject: str = "letter"
    done: str = "discarded"

    def foresee(self, tx: Connection, ids: Sequence[int], _: Params) -> dict[int, str]:
        return foresee_discard(tx, ids)

    def act(self, made: Change, id_: int, _params: Params, author: Author, _: object) -> dict[str, Any]:
        return {"stays_held": discard_in(made, id_, author)}


@dataclass(frozen=True, slots=True)
class RetryWriteBack:
    """No parameters. Puts the work back; a worker asks the platform, and tells what is not shown there.

    Refused with ``order_held`` while its order is held in the house: the release of the hold puts it back.
    """

    name: str = "writeback.retry"
    subject: str = "package"
    done: str = "put_back"

    def foresee(self, tx: Connection, ids: Sequence[int], _: Params) -> dict[int, str]:
        return foresee_put_back(tx, ids)

    def prepare(self, db: Database, id_: int, _: Params, author: Author) -> OpenWriteBack:
        found = open_writebacks(db, Selection(package_id=id_, any_open=True))
        if not found:
            raise Conflict("writeback_confirmed", facts={"package": id_})
        with looking(db) as tx:
            _refuse_held(tx, id_)
        clear_the_way(db, found[0], author)
        return found[0]

    def act(self, made: Change, _id: int, _params: Params, _author: Author, prepared: OpenWriteBack) -> dict[str, Any]:
        _refuse_held(made.tx, prepared.package_id)
        put_back(made, prepared)
        return {"order_id": prepared.order_id, "waybill": prepared.waybill}


def _refuse_held(tx: Connection, package_id: int) -> None:
    if foresee_put_back(tx, [package_id])[package_id] == ORDER_HELD:
        raise Conflict("order_held", facts={"package": package_id})


VERBS: Mapping[str, BulkVerb] = {
    verb.name: verb
    for verb in (
        ReleaseHold(),
        HoldOrder(),
        Expedite(),
        AdoptOrder(),
        AssignHold("hold.assign", "assigned", "hold"),
        SnoozeHold("hold.snooze", "snoozed", "hold"),
        AssignCase("case.assign", "assigned", "case"),
        CloseCase("case.close", "closed", "case"),
        DiscardLetter(),
        RetryWriteBack(),
        *CHANGES,
    )
}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
