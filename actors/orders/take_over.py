"""Begins orders that were kept out for another system: as new orders, from reserve on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import psycopg

from domain.holds import HoldCode
from domain.lines import Tally, first_tally
from domain.normalize import InitialState, initial_state
from domain.order import Order, PlatformState
from domain.outcomes import Hold
from domain.retry import cause_of
from domain.states import Cause, State
from domain.take_over import TAKES_OVER
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, event, write
from infra.tables.holds import release_holds
from infra.tables.orders import load_orders
from infra.tables.pool import Connection, Database
from infra.tables.rows import Row
from infra.tables.take_over import (
    KeptOut,
    ReopenedOrder,
    due_to_begin,
    lock_kept_out,
    look_at_kept_out,
    reopen,
    stretch_of_kept_out,
)
from infra.telemetry.log import get_logger

# The step that stores an order: what is begun here is admitted as there.
_ADMITS = "normalize"
log = get_logger(__name__)

_SHIPPED = frozenset({PlatformState.SHIPPED, PlatformState.DONE})


class Adoption(StrEnum):
    """What became of one order.

    `adopted`: it is begun. `not_kept_out`: it was never kept out, or is begun already. `shipped_elsewhere`: the
    platform shows it as shipped. `nothing_to_ship`: nothing of it is left to ship. `content_erased`: its content was
    erased. `earlier_version_runs`: workers of an earlier version would ship all of it though some is shipped already.
    """

    ADOPTED = "adopted"
    NOT_KEPT_OUT = "not_kept_out"
    SHIPPED_ELSEWHERE = "shipped_elsewhere"
    OVER = "nothing_to_ship"
    FORGOTTEN = "content_erased"
    WAITS = "earlier_version_runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """One order and what became of it. `state`: where it stands now; `was`: why it was kept out; None where it was not.

    `why`: of an order that is over, the reason.
    """

    order_id: int
    outcome: Adoption
    was: str | None = None
    state: State | None = None
    why: str | None = None


# Orders that are begun in one transaction: others wait for their rows meanwhile.
AT_ONCE = 100
# Kept-out orders that one round looks at, and orders that it begins: other duties wait for its end.
STRETCH = 5_000
BEGUN_MAX = 500
# Another transaction held what was needed: that passes, and says nothing about the order.
BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.QueryCanceled)


@dataclass(slots=True)
class TakeOverDuty:
    """Begins orders that came while their shop was watched, once the instant of take-over says that they are ours.

    A round looks at one stretch of the kept-out orders, in the order in which they came; the next round takes the next
    stretch. An order that cannot be begun yet keeps no other waiting. An order that raises is held (`not_begun`), and
    tried again once a person has released the hold.
    """

    db: Database
    stretch: int = STRETCH
    _after: int = field(default=0, init=False)

    def tend(self) -> int:
        """How many were begun in this round. Raises psycopg.OperationalError when the database is away."""
        with self.db.connection() as connection:
            ids = stretch_of_kept_out(connection, self._after, self.stretch)
            due = due_to_begin(connection, ids) if ids else []
        now = due[:BEGUN_MAX]
        begun = sum(self._begin_some(now[start : start + AT_ONCE]) for start in range(0, len(now), AT_ONCE))
        if len(now) < len(due):
            self._after = now[-1]
        else:
            self._after = ids[-1] if len(ids) == self.stretch else 0
        if begun:
            log.info("orders_taken_over", count=begun)
        return begun

    def _begin_some(self, order_ids: Sequence[int]) -> int:
        try:
            return self._begin(order_ids)
        except Exception as error:
            if isinstance(error, psycopg.OperationalError) and not self.db.is_reachable():
                raise
            log.warning("take_over_batch_failed", size=len(order_ids), error=type(error).__name__)
        return sum(self._begin_alone(id_) for id_ in order_ids)

    def _begin_alone(self, order_id: int) -> int:
        try:
            return self._begin([order_id])
        except BUSY as error:
            log.warning("order_not_begun_yet", order=order_id, error=type(error).__name__)
        except Exception as error:
            if isinstance(error, psycopg.OperationalError) and not self.db.is_reachable():
                raise
            log.exception("order_not_begun", order=order_id)
            self._hold(order_id, error)
        return 0

    def _begin(self, order_ids: Sequence[int]) -> int:
        with self.db.transaction() as tx:
            # Asked again here: since the stretch was read, the shop may be watched again.
            done = adopt(tx, due_to_begin(tx, order_ids), Cause.RULES, {"by": "take_over_from"})
        return sum(one.outcome is Adoption.ADOPTED for one in done)

    def _hold(self, order_id: int, error: Exception) -> None:
        with self.db.transaction() as tx:
            writes = Writes()
            for one in lock_kept_out(tx, [order_id])[:1]:
                ref = SubjectRef(one.id, one.lane, one.order_id, one.id, None, State.CLOSED)
                facts = {"error": error_code(error), "at": cause_of(error)["at"]}
                add_hold(TAKES_OVER, ref, Hold(HoldCode.NOT_BEGUN, facts), writes)
            write(tx, TAKES_OVER, writes)


def error_code(error: Exception) -> str:
    """The code of one of our errors, else the name of its type."""
    return cause_of(error)["code"] or type(error).__name__


@dataclass(frozen=True, slots=True)
class _Begun:
    kept: KeptOut
    order: Order
    intake: InitialState

    @property
    def state(self) -> State:
        """What a person has held while the order was kept out stays held."""
        return State.ON_HOLD if self.kept.is_held and self.intake.state is State.PAID else self.intake.state


def adopt(tx: Connection, order_ids: Sequence[int], cause: Cause, facts: Row) -> list[Adopted]:
    """Begin kept-out orders; what became of each, in the order of `order_ids`.

    `facts` are kept with the event: who, and why. What the platform shows as shipped is never begun; what changed there
    since is seen by the last check before the label.
    """
    wanted = list(dict.fromkeys(order_ids))
    if not wanted:
        return []
    judged = _judge_all(tx, wanted, lock_kept_out(tx, wanted))
    _begin(tx, [one for one in judged.values() if isinstance(one, _Begun)], cause, facts)
    return [_answer(judged[id_]) for id_ in wanted]


def foresee_adoption(tx: Connection, order_ids: Sequence[int]) -> dict[int, Adoption]:
    """What would become of each order as things stand. Locks and changes nothing."""
    wanted = list(dict.fromkeys(order_ids))
    judged = _judge_all(tx, wanted, look_at_kept_out(tx, wanted))
    return {id_: _answer(judged[id_]).outcome for id_ in wanted}


def _judge_all(tx: Connection, order_ids: Sequence[int], found: Sequence[KeptOut]) -> dict[int, Adopted | _Begun]:
    # Of an order that was planned in parts before its payment, the first is begun with all pieces.
    kept = {one.order_id: one for one in reversed(found)}
    orders = load_orders(tx, [id_ for id_, one in kept.items() if not one.is_forgotten])
    return {id_: _judge(tx, id_, kept.get(id_), orders.get(id_)) for id_ in order_ids}


def _judge(tx: Connection, order_id: int, kept: KeptOut | None, order: Order | None) -> Adopted | _Begun:
    if kept is None or kept.is_begun:
        return Adopted(order_id=order_id, outcome=Adoption.NOT_KEPT_OUT)
    if order is None:
        return Adopted(order_id=order_id, outcome=Adoption.FORGOTTEN, was=kept.reason)
    intake = initial_state(order)
    if order.state in _SHIPPED:
        return Adopted(order_id=order_id, outcome=Adoption.SHIPPED_ELSEWHERE, was=kept.reason)
    if intake.state is State.CLOSED:
        return Adopted(order_id=order_id, outcome=Adoption.OVER, was=kept.reason, why=intake.reason)
    if any(line.shipped for line in order.lines) and has_worker_without_parts(tx):
        return Adopted(order_id=order_id, outcome=Adoption.WAITS, was=kept.reason)
    return _Begun(kept, order, intake)


def _answer(judged: Adopted | _Begun) -> Adopted:
    if isinstance(judged, Adopted):
        return judged
    kept = judged.kept
    return Adopted(order_id=kept.order_id, outcome=Adoption.ADOPTED, was=kept.reason, state=judged.state)


def _begin(tx: Connection, begun: Sequence[_Begun], cause: Cause, facts: Row) -> None:
    if not begun:
        return
    reopen(
        tx,
        [
            ReopenedOrder(
                one.kept.id,
                one.kept.order_id,
                one.state,
                State.PAID if one.state is State.ON_HOLD else None,
                _tallies(one.order),
            )
            for one in begun
        ],
    )
    release_holds(tx, [(one.kept.id, HoldCode.NOT_BEGUN) for one in begun], TAKES_OVER)
    writes = Writes()
    for one in begun:
        ref = SubjectRef(one.kept.id, one.kept.lane, one.kept.order_id, one.kept.id, None, one.state)
        said = {"was": one.kept.reason, "state": one.state, **facts}
        writes.events.append(event(_ADMITS, ref, "adopted", cause, facts=said))
        for finding in one.intake.holds:
            add_hold(_ADMITS, ref, Hold(finding.code, finding.facts), writes)
        # As when an order comes in: what is held for somebody else's shipment has had its stock. What a person holds
        # has its stock promised.
        if one.intake.state in {State.PENDING_PAYMENT, State.PAID} and one.order.is_ours:
            writes.added.append(NewWork("reserve", one.kept.id, one.kept.lane, shop=one.order.key.account))
    write(tx, _ADMITS, writes)


def _tallies(order: Order) -> dict[str, Tally]:
    return {line.line_id: first_tally(order, line) for line in order.lines}
