"""A newer content of an order under way: its plan of lines, then closed, held, freed, paid or reviewed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec

from actors.orders.parts import WAIT_FOR_UPGRADE
from actors.stops.asking import StopRequest, withdraw
from domain.changes import OF_THE_RULES, ChangeActions, ChangedPart, change, refund_withdrawn
from domain.corrected_addresses import keep_corrected
from domain.holds import PERSON, HoldCode
from domain.lines import Replan, pieces_by_sku, replan, with_missing
from domain.listings import keep_skus
from domain.normalize import is_unpaid
from domain.order import Order
from domain.outcomes import Done, Hold, Later
from domain.part_shipping import lines_held_back
from domain.review import ReviewFacts, review
from domain.rules import RuleSet
from domain.states import FINAL_STATES, Cause, State
from domain.stock import Reservation
from domain.stops import StopCode
from domain.take_over import KEPT_OUT, NOTHING_KNOWN, TAKES_OVER, TakeOver, why_kept_out
from domain.waivers import Waiver, lines_waived, refunds_of, stays
from infra.engine.replay import add_due, go_on, keeps_on_hold
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, Result, SubjectRef
from infra.queue.keys import BellKey
from infra.tables.fulfillment import NewPart, add_parts
from infra.tables.holds import KeptWaiver, keep_waivers, load_waivers, open_holds, release_all_holds, release_holds
from infra.tables.lines import Quantity, add_quantities, load_plans, own_shipments, set_quantities
from infra.tables.orders import (
    Locked,
    amend_lines,
    amend_orders,
    line_rows,
    load_orders,
    lock_fulfillment_of_orders,
    order_row,
)
from infra.tables.pool import Connection
from infra.tables.rows import Row
from infra.tables.shipments import being_labelled
from infra.tables.stock import release_stock, shrink_stock
from infra.tables.stops import ask_stops, codes_of_stops
from infra.tables.work import move_ship_from

_NONE_KNOWN: Mapping[str, TakeOver] = MappingProxyType({})
# Steps, or a person, whose holds stay open on an order that is kept out.
_UNTIL_BEGUN = frozenset({PERSON, TAKES_OVER})
# Until a call about a label or to a warehouse has ended: its answer is recorded within the second.
_WAIT_FOR_LABEL = Later("being_labelled", after_s=0.2)
_TAKES_MORE = frozenset({State.PENDING_PAYMENT, State.PAID, State.APPROVED})
# Review divides what it has not approved yet.
_MAY_DIVIDE = frozenset({State.APPROVED, State.ALLOCATED})


@dataclass(frozen=True, slots=True)
class NewerContent:
    """An order's content before and now, its fulfillment orders, and what is left of its plan.

    `ref`: of the payload that brings the content. `own`: pieces by line that were shipped under numbers of ours.
    `bound`: fulfillment orders with pieces in a package that has, or may have, a label. `held_back`: pieces by line
    that leave a fulfillment order because a refund is asked for them, and the others may go. `kept_out`: why the order
    is not begun when it is paid.
    """

    order_id: int
    ref: SubjectRef
    old: Order
    new: Order
    fulfillment: Sequence[Locked]
    plan: Replan
    own: Mapping[str, int]
    bound: frozenset[int]
    held_back: Mapping[int, Mapping[str, int]]
    kept_out: str = ""

    def quantities(self, locked: Locked) -> dict[str, int]:
        """Pieces by line that one of the fulfillment orders works on from now on."""
        left = {
            line_id: self.plan.quantities.get((locked.id, line_id), quantity) for line_id, quantity in locked.quantities
        }
        if locked.id == self.grows:
            for line_id, more in self.plan.added.items():
                left[line_id] = left.get(line_id, 0) + more
        return {line_id: quantity for line_id, quantity in left.items() if quantity}

    def is_new(self, line_id: str) -> bool:
        """Whether this content is the first with the line: its row is stored with its sums."""
        return all(line.line_id != line_id for line in self.old.lines)

    @property
    def grows(self) -> int | None:
        """The fulfillment order that takes what is added: the first that has no package yet."""
        return next((one.id for one in self.fulfillment if one.at in _TAKES_MORE), None)

    @property
    def parts(self) -> list[tuple[Locked, Mapping[str, int]]]:
        """Pieces by line of new fulfillment orders, each with the one that it is made from."""
        parts = [(one, self.held_back[one.id]) for one in self.fulfillment if one.id in self.held_back]
        if self.plan.added and self.grows is None:
            parts.append((self.fulfillment[0], self.plan.added))
        return parts


@dataclass(frozen=True, slots=True)
class DecidedChange:
    """What one fulfillment order is asked, and what a person let pass for it."""

    newer: NewerContent
    locked: Locked
    changed_part: ChangedPart
    change: ChangeActions

    @property
    def stop(self) -> StopRequest | None:
        """The stop to ask for, if the newer content asks for one."""
        if self.change.stops is None:
            return None
        shop = self.newer.new.key.account
        return StopRequest.wished(self.locked, shop, self.change.stops)


def amend(
    tx: Connection,
    step: str,
    newer: Sequence[tuple[int, SubjectRef, Order]],
    rules: RuleSet,
    take_overs: Mapping[str, TakeOver] = _NONE_KNOWN,
) -> list[Result]:
    """Store (order id, reference, content) triples and decide what each asks for: a result for each fulfillment order.

    `step` is the one that acts, so that its subject is the one that is finished. `take_overs`: by account of
    the shop.
    """
    if not newer:
        return []
    loaded, waivers = _load(tx, newer, rules)
    loaded = [replace(one, kept_out=_kept_out(one, take_overs)) for one in loaded]
    changed, waiting = _apart(tx, loaded)
    holds = open_holds(tx, [locked.id for one in changed for locked in one.fulfillment])
    stopped = codes_of_stops(tx, [id_ for id_, mine in holds.items() if HoldCode.STOPPING in dict(mine)])
    decided = [
        _decide(one, locked, waivers.get(locked.id, ()), (holds.get(locked.id, ()), stopped.get(locked.id)), rules)
        for one in changed
        for locked in one.fulfillment
    ]
    _store(tx, changed)
    _keep_waivers(tx, changed, waivers)
    _take_pieces(tx, decided)
    _release_holds(tx, step, decided)
    told = _tell_again(tx, step, decided, holds)
    ask_stops(tx, [one.stop.row() for one in decided if one.stop is not None])
    finished = [_result_of(tx, step, one, holds.get(one.locked.id, ())) for one in decided]
    rung = [
        replace(one, rings=one.rings | told.get(one.ref.fulfillment_order_id or 0, frozenset())) for one in finished
    ]
    return [*waiting, *rung, *_add_parts(tx, changed)]


def trim(tx: Connection, order_ids: Sequence[int]) -> frozenset[int]:
    """Take away what the stored contents no longer want of us, where a label bound it when they came.

    Returns the orders from which something was taken.
    """
    fulfillment = lock_fulfillment_of_orders(tx, order_ids)
    orders = load_orders(tx, order_ids)
    planned, told = load_plans(tx, order_ids)
    lower: list[Quantity] = []
    lines: list[Row] = []
    left: dict[int, Mapping[str, int]] = {}
    for id_, order in orders.items():
        plan = replan(order, planned.get(id_, ()), own_shipments(order, told.get(id_, ())), may_grow=True)
        lower += [Quantity(part, id_, line_id, count) for (part, line_id), count in plan.quantities.items()]
        fewer = {line_id for _, line_id in plan.quantities}
        lines += [{"id": id_, **row} for row in line_rows(order, plan.tallies) if row["line_id"] in fewer]
        for locked in fulfillment[id_]:
            pieces = {line: plan.quantities.get((locked.id, line), count) for line, count in locked.quantities}
            if pieces != dict(locked.quantities):
                left[locked.id] = pieces_by_sku(order, pieces.items())
    if lower:
        set_quantities(tx, lower)
        amend_lines(tx, lines)
        shrink_stock(tx, left)
    return frozenset(one.order_id for one in lower)


def _apart(tx: Connection, changed: Sequence[NewerContent]) -> tuple[list[NewerContent], list[Finished]]:
    """The contents to apply now, without the contents that must wait.

    Pieces are wanted no more, and a call about a label of them runs: how it ends decides whether they are taken away or
    held. Or pieces become a part of their own, while a worker lives that would carry the whole order in it.
    """
    shrunk = [one.order_id for one in changed if one.plan.excess]
    called = being_labelled(tx, shrunk)
    growing = {one.order_id for one in changed if one.plan.added and one.grows is None} - called
    late = growing if growing and has_worker_without_parts(tx) else set()
    waiting = [Finished(one.ref, _WAIT_FOR_LABEL) for one in changed if one.order_id in called]
    waiting += [Finished(one.ref, WAIT_FOR_UPGRADE) for one in changed if one.order_id in late]
    return [one for one in changed if one.order_id not in called | late], waiting


def _load(
    tx: Connection, newer: Sequence[tuple[int, SubjectRef, Order]], rules: RuleSet
) -> tuple[list[NewerContent], dict[int, tuple[Waiver, ...]]]:
    """With what people let pass and what stays so, by fulfillment order."""
    order_ids = [order_id for order_id, _, _ in newer]
    old = load_orders(tx, order_ids)
    newer = [
        (order_id, ref, keep_corrected(old[order_id], keep_skus(old[order_id], order)))
        for order_id, ref, order in newer
    ]
    fulfillment = lock_fulfillment_of_orders(tx, order_ids)
    planned, told = load_plans(tx, order_ids)
    waivers = load_waivers(tx, [locked.id for each in fulfillment.values() for locked in each])
    changed = []
    for order_id, ref, content in newer:
        new = with_missing(old[order_id], content)
        own = own_shipments(new, told.get(order_id, ()))
        mine = fulfillment[order_id]
        # What a person let pass is judged by as long as it is kept: another fact is asked about at once.
        for one in mine:
            waivers[one.id] = tuple(each for each in waivers.get(one.id, ()) if stays(each, old[order_id], new))
        may_grow = any(one.state not in FINAL_STATES for one in mine)
        plan = replan(new, planned.get(order_id, ()), own, may_grow=may_grow)
        bound = frozenset(one.fulfillment_order_id for one in planned.get(order_id, ()) if one.bound)
        free = [one for one in mine if one.at in _MAY_DIVIDE and one.id not in bound]
        held = {one.id: _held_back(new, one, plan, waivers[one.id], rules) for one in free}
        back = {id_: pieces for id_, pieces in held.items() if pieces}
        if back and has_worker_without_parts(tx):
            # No parts while workers live that carry every order whole: the order is held instead.
            back = {}
        gone = {(id_, line_id): 0 for id_, pieces in back.items() for line_id in pieces}
        plan = replace(plan, quantities={**plan.quantities, **gone})
        changed.append(NewerContent(order_id, ref, old[order_id], new, mine, plan, own, bound, back))
    return changed, waivers


def _held_back(new: Order, locked: Locked, plan: Replan, waivers: Sequence[Waiver], rules: RuleSet) -> dict[str, int]:
    """Pieces by line that stay for a refund while others of the fulfillment order may go; empty where all stay."""
    asked = refunds_of(new) - lines_waived(waivers, HoldCode.REFUND_REQUESTED)
    lines = lines_held_back(new.lines, asked, rules)
    left = {line_id: plan.quantities.get((locked.id, line_id), quantity) for line_id, quantity in locked.quantities}
    back = {line_id: quantity for line_id, quantity in left.items() if quantity and line_id in lines}
    return back if any(quantity for line_id, quantity in left.items() if line_id not in back) else {}


def _kept_out(one: NewerContent, take_overs: Mapping[str, TakeOver]) -> str:
    """Why an order that waited for its payment is not begun now that it is paid; empty where it is ours."""
    shop = take_overs.get(one.new.key.account, NOTHING_KNOWN)
    unpaid_at = one.old.updated_at if is_unpaid(one.old) else None
    return why_kept_out(one.new, shop, is_unpaid=is_unpaid(one.new), unpaid_at=unpaid_at)


def _decide(
    one: NewerContent,
    locked: Locked,
    waivers: Sequence[Waiver],
    held: tuple[Sequence[tuple[str, str]], StopCode | None],
    rules: RuleSet,
) -> DecidedChange:
    """`held`: the open holds with the steps that opened them, and why the open stop was asked for."""
    holds, stopped_for = held
    quantities = one.quantities(locked)
    excess = frozenset(line_id for line_id, _ in locked.quantities if line_id in one.plan.excess)
    lines = frozenset(quantities)
    facts = ReviewFacts(Reservation.ALLOCATED, waivers=tuple(waivers), own=one.own, excess=excess, lines=lines)
    changed_part = ChangedPart(
        # What was handed over is the courier's: nothing that the platform says stops it here any more.
        at=State.IN_TRANSIT if locked.has_left else locked.at,
        has_pieces=bool(quantities),
        is_bound=locked.id in one.bound,
        pieces_changed=pieces_by_sku(one.old, locked.quantities) != pieces_by_sku(one.new, quantities.items()),
        held_by=frozenset(HoldCode(code) for code, opened_by in holds if opened_by in OF_THE_RULES),
        lines=frozenset(line.line_id for line in locked.lines),
        kept_out=one.kept_out,
        held_while_closed=frozenset(
            HoldCode(code) for code, opened_by in holds if locked.at is State.CLOSED and opened_by in _UNTIL_BEGUN
        ),
        stopped_for=stopped_for,
    )
    return DecidedChange(
        one, locked, changed_part, change(one.old, one.new, changed_part, review(one.new, facts, rules).holds)
    )


def _store(tx: Connection, changed: Sequence[NewerContent]) -> None:
    rows = [{**order_row(one.new), "id": one.order_id, "raw_payload_id": one.ref.subject_id} for one in changed]
    lines = [{"id": one.order_id, **line} for one in changed for line in line_rows(one.new, one.plan.tallies)]
    lower = [
        Quantity(fulfillment_order_id, one.order_id, line_id, quantity)
        for one in changed
        for (fulfillment_order_id, line_id), quantity in one.plan.quantities.items()
    ]
    more = [
        Quantity(one.grows, one.order_id, line_id, quantity, is_counted=one.is_new(line_id))
        for one in changed
        if one.grows is not None
        for line_id, quantity in one.plan.added.items()
    ]
    amend_orders(tx, rows)
    move_ship_from(tx, _moved_days(changed), of_packages="label", of_fulfillment="dispatch")
    set_quantities(tx, lower)
    amend_lines(tx, lines)
    add_quantities(tx, more)


def _moved_days(changed: Sequence[NewerContent]) -> list[Row]:
    """Orders whose day from which they ship is another now. What waits for no day yet waits for one at its label."""
    return [
        {"order_id": one.order_id, "was": one.old.ship_from, "due_at": one.new.ship_from}
        for one in changed
        if one.old.ship_from is not None and one.new.ship_from != one.old.ship_from
    ]


def _keep_waivers(tx: Connection, changed: Sequence[NewerContent], waivers: Mapping[int, Sequence[Waiver]]) -> None:
    """A waived finding is not asked again while the fact is the same. `waivers`: the waivers that remain valid."""
    kept = [
        KeptWaiver(waiver.hold_id, one.ref.subject_id)
        for one in changed
        for locked in one.fulfillment
        for waiver in waivers[locked.id]
    ]
    keep_waivers(tx, kept)


def _take_pieces(tx: Connection, decided: Sequence[DecidedChange]) -> None:
    """Give back what is no longer wanted: all of an order that is promised again or closes, of others what went."""
    back = [one.locked.id for one in decided if one.change.closes or one.change.reserves_again or _grew(one)]
    release_stock(tx, back)
    # A line keeps the SKU under which its pieces were promised.
    left = {
        one.locked.id: pieces_by_sku(one.newer.old, one.newer.quantities(one.locked).items())
        for one in decided
        if one.changed_part.pieces_changed and one.locked.id not in back
    }
    shrink_stock(tx, left)


def _grew(one: DecidedChange) -> bool:
    return one.locked.at is State.APPROVED and one.locked.id == one.newer.grows and bool(one.newer.plan.added)


def _release_holds(tx: Connection, step: str, decided: Sequence[DecidedChange]) -> None:
    # Nobody need look at what is over. What another system ships may be begun later.
    kept_out = [one.locked.id for one in decided if one.change.closes in KEPT_OUT]
    release_all_holds(tx, [one.locked.id for one in decided if one.change.closes], step, kept_out=kept_out)
    released = [(one.locked.id, code) for one in decided for code in sorted(one.change.releases)]
    release_holds(tx, released, step)


def _tell_again(
    tx: Connection, step: str, decided: Sequence[DecidedChange], holds: dict[int, list[tuple[str, str]]]
) -> dict[int, frozenset[BellKey]]:
    """Release what a platform refused to hear while a refund was open, and tell it now that the refund is withdrawn.

    Takes the released holds out of `holds`. Returns the bells by fulfillment order.
    """
    told: dict[int, frozenset[BellKey]] = {}
    for one in decided:
        opened = holds.get(one.locked.id, [])
        refused = [hold for hold in opened if hold[0] == HoldCode.WRITEBACK_REFUSED]
        lines = frozenset(line.line_id for line in one.locked.lines)
        if one.change.closes or not refused or not refund_withdrawn(one.newer.old, one.newer.new, lines):
            continue
        holds[one.locked.id] = [hold for hold in opened if hold not in refused]
        [(code, opened_by)] = refused
        release_holds(tx, [(one.locked.id, code)], step)
        told[one.locked.id] = frozenset(add_due(tx, one.locked, opened_by))
    return told


def _result_of(tx: Connection, step: str, one: DecidedChange, holds: Sequence[tuple[str, str]]) -> Finished:
    locked, asked, shop = one.locked, one.change, one.newer.new.key.account
    ref = SubjectRef(one.newer.ref.subject_id, locked.lane, locked.order_id, locked.id, None, locked.state)
    if asked.closes:
        return Finished(ref, Done(State.CLOSED), Cause.PLATFORM, closed_reason=asked.closes)
    follow = _follow(locked, asked, shop)
    found = [Hold(finding.code, {"step": step, **finding.facts}) for finding in asked.holds]
    if one.stop is not None:
        return one.stop.opened(ref, found)
    if found:
        return Finished(ref, found[0], Cause.PLATFORM, holds=tuple(found[1:]), follow=follow)
    if _grew(one) and locked.state is State.APPROVED:
        # The line is wanted again, so no person must look; its stock was released and is reserved again.
        again = (NewWork("reserve", locked.id, locked.lane, shop=shop),)
        return Finished(ref, Done(State.PAID), Cause.PLATFORM, via=(State.ON_HOLD,), follow=again)
    left = {code for code, opened_by in holds if keeps_on_hold(opened_by)} - asked.releases
    if asked.becomes_paid and (locked.state is State.PENDING_PAYMENT or not left):
        is_direct = locked.state in {State.PENDING_PAYMENT, State.PAID, State.ON_HOLD}
        via = () if is_direct else (State.ON_HOLD,)
        return Finished(ref, Done(State.PAID), Cause.PLATFORM, via=via, follow=follow)
    rings: frozenset[BellKey] = frozenset()
    if asked.withdraws:
        rings = frozenset(withdraw(tx, [locked], shop, Cause.PLATFORM))
    if (
        asked.releases
        and not left
        and locked.state is State.ON_HOLD
        and not asked.review
        and one.changed_part.has_pieces
    ):
        stands = msgspec.structs.replace(locked, reservation=Reservation.RELEASED) if _grew(one) else locked
        rings = frozenset(go_on(tx, stands, step, Cause.PLATFORM, {"released": sorted(asked.releases)}))
    amended = Done(facts={"amended": True})
    return Finished(ref, amended, Cause.PLATFORM, follow=follow, rings=rings)


def _follow(locked: Locked, asked: ChangeActions, shop: str) -> tuple[NewWork, ...]:
    # What was held as it came was never promised, and review would call it short.
    is_unpromised = asked.review and locked.reservation == Reservation.NONE
    if asked.reserves_again or is_unpromised:
        return (NewWork("reserve", locked.id, locked.lane, shop=shop),)
    if asked.review:
        return (NewWork("review", locked.id, locked.lane, shop=shop),)
    return ()


def _add_parts(tx: Connection, changed: Sequence[NewerContent]) -> list[Finished]:
    """Pieces that go a way of their own, from the start: promised, reviewed, and held there if they must wait."""
    parts = [
        (one, number, locked, pieces)
        for one in sorted(changed, key=lambda one: one.order_id)
        for number, (locked, pieces) in enumerate(one.parts, 1)
    ]
    made = add_parts(tx, [NewPart(locked.id, one.order_id, number, State.PAID) for one, number, locked, _ in parts])
    quantities = [
        Quantity(id_, one.order_id, line_id, quantity, is_counted=one.is_new(line_id))
        for id_, (one, _, _, pieces) in zip(made, parts, strict=True)
        for line_id, quantity in pieces.items()
    ]
    add_quantities(tx, quantities)
    finished = []
    for id_, (one, _, locked, pieces) in zip(made, parts, strict=True):
        ref = SubjectRef(one.ref.subject_id, locked.lane, one.order_id, id_, None, State.PAID)
        follow = (NewWork("reserve", id_, locked.lane, shop=one.new.key.account),)
        finished.append(Finished(ref, Done(facts={"pieces": dict(pieces)}), Cause.PLATFORM, follow=follow))
    return finished
