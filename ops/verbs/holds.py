"""Release a hold as a person: the order continues from the interrupted state, and every step respects the decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.orders.listings import leave_out_unmapped
from actors.stops.asking import stop_work
from domain.errors import Conflict, FulfilmentError
from domain.holds import MANUAL_CODES, OUTCOME_UNKNOWN, HoldCode
from domain.order_changes import may_release
from domain.states import Cause, State
from infra.engine.author import Author
from infra.engine.replay import add_due, go_on, holding_codes
from infra.engine.write_outcomes import add_work
from infra.queue.keys import BellKey
from infra.tables.after_sale import lock_platform_cases
from infra.tables.audit import Verb
from infra.tables.bulk_acts import foresee_release
from infra.tables.fulfillment import admit_locations
from infra.tables.holds import fulfillment_with_hold, last_release, open_holds, release_hold
from infra.tables.letters import open_letters_of
from infra.tables.listings import lock_order
from infra.tables.order_parts import changed_by_buyer, held_parts, load_parts
from infra.tables.orders import Locked, lock_fulfillment
from infra.tables.placements import ask_about_documents, give_up_placement
from infra.tables.pool import Connection, Database
from infra.tables.shipments import ask_about, give_up_intents, settle_voids
from infra.tables.stops import open_stops
from ops.verbs.change import Change, change

# Saying so does not put goods on a shelf, nor end a watch, nor begin an order: these are asked again, not waived. No
# rule asks for what a person opened.
_NOT_WAIVED = MANUAL_CODES | {
    HoldCode.STOCK_SHORT_PAID,
    HoldCode.STOCK_CONFLICT,
    HoldCode.SKU_UNMAPPED,
    HoldCode.SHOP_WATCHED,
    HoldCode.NOT_BEGUN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """`state` after the release; `still_held_by`: codes that keep the order where it is; `due`: steps that run now.

    `left_out`: lines without a SKU that the order goes on without.
    """

    order_id: int
    code: str
    state: str
    still_held_by: tuple[str, ...]
    due: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def release(
    db: Database, order_id: int, code: HoldCode, author: Author, *, despite_refund: bool = False
) -> ReleaseResult:
    """Release one hold of an order. `despite_refund`: ship it though a refund is asked for, or the trade is closed.

    Lines without a SKU are left out for this order when `sku_unmapped` is released. Raises Conflict ``hold_not_open``
    when it is not there (any more), ``letter_open`` for the hold that an open dead letter is, ``nothing_left`` where
    no line has a SKU, and as `domain.order_changes.may_release` does where another act than a release is needed.
    """
    with change(db, author) as made:
        return release_in(made, order_id, code, author, despite_refund=despite_refund)


def release_in(
    made: Change, order_id: int, code: HoldCode, author: Author, *, despite_refund: bool = False
) -> ReleaseResult:
    """As `release`, in the caller's change, which must not have locked any row of the order before."""
    tx = made.tx
    if code is HoldCode.SKU_UNMAPPED:
        lock_order(tx, order_id)
    ids = fulfillment_with_hold(tx, order_id, code)
    # Locked before the decision: the second of two people waits here and then finds no hold.
    locked = lock_fulfillment(tx, ids)
    _check(tx, order_id, code, {one.id for one in locked}, despite_refund=despite_refund)
    before = codes_of(tx, ids)
    released = [one for one in (_release(tx, each, code, author) for each in locked) if one is not None]
    if not released:
        raise _not_open(tx, order_id, code)
    made.note(
        Verb.HOLD_RELEASED,
        f"order/{order_id}",
        {"state": locked[0].state, "holds": before},
        {"state": released[0].state, "holds": codes_of(tx, ids)},
        code=code,
        **({"despite_refund": True} if despite_refund else {}),
    )
    return released[0]


def foresee(tx: Connection, order_ids: Sequence[int], code: HoldCode, *, despite_refund: bool) -> dict[int, str]:
    """What a release would end with, by order: ``released``, or the code of the refusal. Changes nothing."""
    found = foresee_release(tx, order_ids, code)
    open_ones = [id_ for id_, would in found.items() if would == "released"]
    parts, held = load_parts(tx, open_ones), held_parts(tx, open_ones, code)
    changed = changed_by_buyer(tx, open_ones)
    for id_ in open_ones:
        mine = [one for one in parts.get(id_, ()) if one.id in held]
        try:
            may_release(code, mine, sorted(changed.get(id_, ())), despite_refund=despite_refund)
        except FulfilmentError as error:
            found[id_] = error.code
    return found


def _check(tx: Connection, order_id: int, code: HoldCode, ids: set[int], *, despite_refund: bool) -> None:
    """Raises where the release would ship what the hold is about; where it is not open, that is told instead."""
    if not ids:
        return
    # An answer that says *stopped* begins before this, and is seen, or reads that the hold is gone.
    lock_platform_cases(tx, order_id)
    parts = [one for one in load_parts(tx, [order_id]).get(order_id, ()) if one.id in ids]
    changed = changed_by_buyer(tx, [order_id]).get(order_id, frozenset())
    may_release(code, parts, sorted(changed), despite_refund=despite_refund)


def codes_of(tx: Connection, ids: Sequence[int]) -> list[str]:
    """The codes of all open holds of fulfillment orders."""
    return sorted({code for holds in open_holds(tx, ids).values() for code, _ in holds})


def _release(tx: Connection, locked: Locked, code: HoldCode, author: Author) -> ReleaseResult | None:
    stops = open_stops(tx, [locked.id])
    _refuse_open(tx, locked, code, is_stopped=bool(stops))
    left_out = leave_out_unmapped(tx, locked, author) if code is HoldCode.SKU_UNMAPPED else ()
    was = release_hold(tx, locked.id, code, author, is_waived=code not in _NOT_WAIVED)
    if was is None:
        return None
    opened_by, error = was.step, was.cause
    left = holding_codes(tx, locked.id)
    due: set[BellKey] = set()
    if locked.state is State.ON_HOLD and not left:
        due |= go_on(tx, locked, opened_by, Cause.PERSON, {"code": code, "by": author.who, "reason": author.reason})
    due |= _wake(tx, locked, opened_by, error, stops.get(locked.id))
    if opened_by == "route":
        admit_locations(tx, locked.id)
    (now,) = lock_fulfillment(tx, [locked.id])
    steps = tuple(sorted({key.step for key in due}))
    return ReleaseResult(
        order_id=locked.order_id, code=code, state=now.state, still_held_by=left, due=steps, left_out=left_out
    )


def _refuse_open(tx: Connection, locked: Locked, code: HoldCode, *, is_stopped: bool) -> None:
    """Raise Conflict for a hold that something else ends."""
    if code is HoldCode.DEAD_LETTER:
        letters = list(map(str, open_letters_of(tx, locked.id)))
        if letters:
            raise Conflict("letter_open", facts={"letters": ", ".join(letters)})
    if code is HoldCode.STOPPING and is_stopped:
        raise Conflict("stop_open", facts={"order": locked.order_id})


def _wake(tx: Connection, locked: Locked, opened_by: str, error: str | None, stopped_shop: str | None) -> set[BellKey]:
    """What continues beside the order. `stopped_shop`: the shop of an order with an open stop; None: it has none."""
    due: set[BellKey] = set()
    if opened_by == "writeback":
        # The write-back is a side dimension: it continues under every other hold of the order.
        due |= add_due(tx, locked, "writeback")
    if opened_by == "label":
        due |= _about_the_courier(tx, locked, error, is_stopped=stopped_shop is not None)
    if opened_by == "dispatch":
        due |= _about_the_warehouse(tx, locked, error)
    if opened_by == "void":
        settle_voids(tx, locked.id)
    if stopped_shop is not None:
        # What a person has settled may be all that the stop waits for.
        again = stop_work(locked.id, locked.lane, stopped_shop)
        add_work(tx, [again])
        due.add(BellKey(again.step, again.lane, again.account))
    return due


def _about_the_courier(tx: Connection, locked: Locked, error: str | None, *, is_stopped: bool) -> set[BellKey]:
    """A call with an unknown outcome is asked about, unless a person had to settle it and nothing more is booked."""
    if (is_stopped or locked.state is State.CLOSED) and error == OUTCOME_UNKNOWN:
        give_up_intents(tx, locked.id)
    return {BellKey("label", lane, account) for lane, account in ask_about(tx, [locked.id])}


def _about_the_warehouse(tx: Connection, locked: Locked, error: str | None) -> set[BellKey]:
    """A call that may have happened is asked about, unless a person had to ask: then the warehouse has nothing."""
    if error == OUTCOME_UNKNOWN:
        give_up_placement(tx, locked.id)
    return {BellKey("dispatch", lane, account) for lane, account in ask_about_documents(tx, [locked.id])}


def _not_open(tx: Connection, order_id: int, code: HoldCode) -> Conflict:
    """The refusal, with who released such a hold last and when, where somebody did."""
    last = last_release(tx, order_id, code)
    facts: dict[str, str | int] = {"order": order_id, "hold": code}
    if last is not None:
        facts |= {"by": last.by, "at": f"{last.at:%Y-%m-%d %H:%M:%S %Z}"}
    return Conflict("hold_not_open", facts=facts)
