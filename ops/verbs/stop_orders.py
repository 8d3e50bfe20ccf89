"""Ask for stops as a person: of orders that are not wanted any more, or that go another way.

The steps of the stop do the rest, from wherever the goods are; only what a warehouse or a courier confirms counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.stops.asking import StopRequest, ask, withdraw
from actors.stops.confirming import confirm_in_house
from domain.errors import FulfilmentError, Refused
from domain.holds import PERSON
from domain.order import Order
from domain.order_changes import (
    OrderPart,
    plan,
    to_close,
    to_confirm,
    to_relabel,
    to_reroute,
    to_stop,
    to_withdraw,
)
from domain.outcomes import Done
from domain.states import Cause, State
from domain.stops import StopAsker, StopCode, StopGoal
from infra.engine.author import Author
from infra.engine.results import Finished, SubjectRef
from infra.engine.write_outcomes import Writes, add_move, write
from infra.tables.audit import Verb
from infra.tables.fulfillment import exclude
from infra.tables.order_parts import load_parts
from infra.tables.orders import Locked, load_orders, lock_fulfillment_of_orders, shop_of
from infra.tables.pool import Connection, Database
from ops.verbs.change import Change, change
from ops.views.looking import looking

# Why an order in after-sale closed: a person said that nothing of it is open.
CLOSED_BY_PERSON = "closed_by_person"
# Why a location is not chosen again.
_REROUTED = "rerouted"

Params = Mapping[str, Any]
Chooser = Callable[[Sequence[OrderPart]], list[OrderPart]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOrder:
    """An order for which something was asked. `acts`: what follows as things stood, in its order, each once.

    `parts`: the numbers of the parts that it is about, of `of_parts`; `states`: theirs before.
    """

    order_id: int
    does: str
    parts: tuple[int, ...]
    of_parts: int
    states: tuple[str, ...]
    acts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopVerb:
    """A verb that asks for stops. `choose` raises Conflict where nothing of an order can be asked for."""

    does: str
    choose: Callable[[Sequence[OrderPart], Params], list[OrderPart]]
    audited: Verb
    code: StopCode = StopCode.PERSON
    goal: StopGoal = StopGoal.CLOSE


STOP = StopVerb("stop", lambda parts, params: to_stop(parts, params.get("lines", ())), Verb.ORDER_STOPPED)
CLOSE = StopVerb("close", lambda parts, _: to_close(parts), Verb.ORDER_CLOSED)
RELABEL = StopVerb(
    "relabel", lambda parts, _: to_relabel(parts), Verb.ORDER_RELABELLED, StopCode.RELABEL, StopGoal.REBUILD
)
REROUTE = StopVerb(
    "reroute", lambda parts, _: to_reroute(parts), Verb.ORDER_REROUTED, StopCode.REROUTE, StopGoal.REBUILD
)
WITHDRAW = StopVerb("withdraw", lambda parts, _: to_withdraw(parts), Verb.STOP_WITHDRAWN)
CONFIRM = StopVerb("confirm", lambda parts, _: to_confirm(parts), Verb.STOP_CONFIRMED)


@dataclass(frozen=True, slots=True)
class Standing:
    """An order whose parts this transaction holds."""

    order_id: int
    locked: Mapping[int, Locked]
    parts: Sequence[OrderPart]


def lock_standing(tx: Connection, order_id: int) -> Standing:
    """Lock the parts of an order, and read where they are."""
    locked = lock_fulfillment_of_orders(tx, [order_id]).get(order_id, [])
    parts = load_parts(tx, [order_id]).get(order_id, [])
    return Standing(order_id, {one.id: one for one in locked}, parts)


def stop(db: Database, order_id: int, author: Author, lines: Sequence[str] = ()) -> AskedOrder:
    """Keep an order, or some lines of it, from leaving. `lines`: ids of lines or SKUs; none: all.

    Raises Conflict as `domain.order_changes.to_stop` does, and Refused ``line_unknown``.
    """
    with change(db, author) as made:
        return stop_in(made, order_id, author, lines)


def stop_in(made: Change, order_id: int, author: Author, lines: Sequence[str] = ()) -> AskedOrder:
    """The same in the caller's change, which must not have locked any row of the order before."""
    standing = lock_standing(made.tx, order_id)
    wanted = lines_named(made.tx, order_id, lines)
    return _ask(made, standing, STOP, author, {"lines": wanted})


def close(db: Database, order_id: int, author: Author) -> AskedOrder:
    """End an order of which no courier and no warehouse has anything; its stock comes back.

    Raises Conflict as `domain.order_changes.to_close` does.
    """
    with change(db, author) as made:
        return close_in(made, order_id, author)


def close_in(made: Change, order_id: int, author: Author) -> AskedOrder:
    """The same in the caller's change."""
    standing = lock_standing(made.tx, order_id)
    chosen = CLOSE.choose(standing.parts, {})
    back = [one for one in chosen if one.state is State.AFTER_SALE]
    _end(made.tx, [standing.locked[one.id] for one in back], author)
    here = [one for one in chosen if one not in back]
    if here:
        _request(made.tx, standing, CLOSE, author, here)
    return _noted(made, standing, CLOSE, chosen)


def relabel(db: Database, order_id: int, author: Author) -> AskedOrder:
    """Cancel the waybills of an order, and book others to its present address.

    Raises Conflict as `domain.order_changes.to_relabel` does.
    """
    with change(db, author) as made:
        return relabel_in(made, order_id, author)


def relabel_in(made: Change, order_id: int, author: Author) -> AskedOrder:
    """The same in the caller's change."""
    return _ask(made, lock_standing(made.tx, order_id), RELABEL, author, {})


def reroute(db: Database, order_id: int, author: Author, others: Sequence[str] = ()) -> AskedOrder:
    """Ship an order from another location. `others`: locations that are not wanted besides the present one.

    Raises Conflict as `domain.order_changes.to_reroute` does.
    """
    with change(db, author) as made:
        return reroute_in(made, order_id, author, others)


def reroute_in(made: Change, order_id: int, author: Author, others: Sequence[str] = ()) -> AskedOrder:
    """The same in the caller's change."""
    standing = lock_standing(made.tx, order_id)
    chosen = REROUTE.choose(standing.parts, {})
    exclude(made.tx, {one.id: dict.fromkeys({one.location or "", *others}, _REROUTED) for one in chosen})
    return _ask(made, standing, REROUTE, author, {})


def take_back(db: Database, order_id: int, author: Author) -> AskedOrder:
    """Withdraw the stop that a person has asked for: the order goes on, or is made anew where a call has gone out.

    Raises Conflict as `domain.order_changes.to_withdraw` does.
    """
    with change(db, author) as made:
        standing = lock_standing(made.tx, order_id)
        chosen = WITHDRAW.choose(standing.parts, {})
        locked = [standing.locked[one.id] for one in chosen]
        withdraw(made.tx, locked, shop_of(made.tx, locked[0].id), Cause.PERSON)
        return _noted(made, standing, WITHDRAW, chosen, acts=())


def confirm_here(db: Database, order_id: int, author: Author) -> AskedOrder:
    """Say that the goods of a stopped order were found, and stay in the house: the stop goes on with that.

    Raises Conflict as `domain.order_changes.to_confirm` does.
    """
    with change(db, author) as made:
        tx = made.tx
        standing = lock_standing(tx, order_id)
        chosen = CONFIRM.choose(standing.parts, {})
        confirm_in_house(tx, [standing.locked[one.id] for one in chosen], author)
        return _noted(made, standing, CONFIRM, chosen)


def foresee_stop(tx: Connection, verb: StopVerb, order_ids: Sequence[int], params: Params, done: str) -> dict[int, str]:
    """What the verb would end with, by order: `done`, or the code of the refusal. Changes nothing."""
    parts = load_parts(tx, order_ids)
    names = params.get("lines", ())
    orders = load_orders(tx, order_ids) if names else {}
    return {id_: _judged(verb, parts.get(id_, ()), orders.get(id_), names, done) for id_ in order_ids}


def preview(db: Database, verb: StopVerb, order_id: int, params: Params) -> AskedOrder:
    """What the verb would do to one order. Changes nothing; raises as the verb does."""
    with looking(db) as tx:
        wanted = {**params, "lines": lines_named(tx, order_id, params.get("lines", ()))}
        parts = load_parts(tx, [order_id]).get(order_id, [])
        return _answer(order_id, verb, parts, verb.choose(parts, wanted))


def lines_named(tx: Connection, order_id: int, names: Sequence[str]) -> tuple[str, ...]:
    """The ids of the lines that are named, by their ids or SKUs. Raises Refused ``line_unknown``."""
    if not names:
        return ()
    return _ids_named(load_orders(tx, [order_id])[order_id], names)


def ref_of_part(locked: Locked) -> SubjectRef:
    """A fulfillment order as the subject of its own events."""
    return SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)


def request_other_label(tx: Connection, standing: Standing, author: Author, chosen: Sequence[OrderPart]) -> None:
    """Ask that parts are stopped, and made anew from `paid` to the order's present address."""
    code = StopCode.ADDRESS_CHANGED
    verb = StopVerb("rebuild", lambda parts, _: list(parts), Verb.ADDRESS_CORRECTED, code, StopGoal.REBUILD)
    _request(tx, standing, verb, author, chosen)


def _ids_named(order: Order, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id_ for name in names for id_ in _line_ids(order, name)))


def _line_ids(order: Order, name: str) -> list[str]:
    """The ids of the lines that a name means. Raises Refused ``line_unknown``."""
    found = [line.line_id for line in order.lines if name in {line.line_id, line.sku}]
    if not found:
        known = ", ".join(line.sku or line.line_id for line in order.lines)
        raise Refused("line_unknown", facts={"line": name, "known": known})
    return found


def _judged(verb: StopVerb, parts: Sequence[OrderPart], order: Order | None, names: Sequence[str], done: str) -> str:
    try:
        verb.choose(parts, {"lines": _ids_named(order, names) if order is not None else ()})
    except FulfilmentError as error:
        return error.code
    return done


def _ask(made: Change, standing: Standing, verb: StopVerb, author: Author, params: Params) -> AskedOrder:
    chosen = verb.choose(standing.parts, params)
    _request(made.tx, standing, verb, author, chosen, lines=params.get("lines", ()))
    return _noted(made, standing, verb, chosen, lines=list(params.get("lines", ())))


def _request(
    tx: Connection,
    standing: Standing,
    verb: StopVerb,
    author: Author,
    chosen: Sequence[OrderPart],
    *,
    lines: Sequence[str] = (),
) -> None:
    shop = shop_of(tx, chosen[0].id)
    ask(
        tx,
        [
            StopRequest(
                locked=standing.locked[one.id],
                shop=shop,
                asked_by=StopAsker.PERSON,
                author=author.who,
                code=verb.code,
                goal=verb.goal,
                lines=tuple(line for line in lines if line in one.lines),
                is_outdated=verb.code is StopCode.ADDRESS_CHANGED,
                facts={"reason": author.reason},
            )
            for one in chosen
        ],
    )


def _end(tx: Connection, locked: Sequence[Locked], author: Author) -> None:
    """Close parts of which nothing is open outside or here."""
    writes = Writes()
    facts = {"by": author.who, "reason": author.reason}
    for one in locked:
        closed = Finished(ref_of_part(one), Done(), Cause.PERSON, closed_reason=CLOSED_BY_PERSON)
        add_move(PERSON, closed, (State.CLOSED,), writes, facts=facts)
    write(tx, PERSON, writes)


def _noted(
    made: Change,
    standing: Standing,
    verb: StopVerb,
    chosen: Sequence[OrderPart],
    acts: Sequence[str] | None = None,
    **facts: object,
) -> AskedOrder:
    after = load_parts(made.tx, [standing.order_id])[standing.order_id]
    ids = {one.id for one in chosen}
    before = {"states": sorted(one.state for one in chosen), "stops": sorted(one.stop_goal for one in chosen)}
    now = [one for one in after if one.id in ids]
    told = {"states": sorted(one.state for one in now), "stops": sorted(one.stop_goal for one in now)}
    numbers = sorted(one.number for one in chosen)
    made.note(verb.audited, f"order/{standing.order_id}", before, told, parts=numbers, **facts)
    return _answer(standing.order_id, verb, standing.parts, chosen, acts)


def _answer(
    order_id: int,
    verb: StopVerb,
    parts: Sequence[OrderPart],
    chosen: Sequence[OrderPart],
    acts: Sequence[str] | None = None,
) -> AskedOrder:
    planned = [act for one in chosen for act in plan(one, verb.goal)] if acts is None else acts
    return AskedOrder(
        order_id=order_id,
        does=verb.does,
        parts=tuple(sorted(one.number for one in chosen)),
        of_parts=len(parts),
        states=tuple(sorted({str(one.state) for one in chosen})),
        acts=tuple(dict.fromkeys(map(str, planned))),
    )
