"""Drills in which a buyer asks for a refund or cancels while a step works on the order."""

from domain.holds import HoldCode
from domain.references import base_of
from drills.checkers import check_all
from drills.drill import Plan, Trial
from drills.fork_server import Armed
from drills.queries import DRILLS
from drills.small_world import Placed, SmallWorld, small_world
from drills.unguarded import Guard
from infra.process.failpoints import step_points

POINTS = step_points()

MOMENTS = tuple(point for point in POINTS if point.startswith("label."))
# At these the platform has not been asked yet.
UNASKED = {f"label.{place}" for place in ("before_claim", "intend", "intended", "before_call")}
_STOPPED = {HoldCode.REFUND_REQUESTED, HoldCode.WRITEBACK_REFUSED}


def refund_races(plan: Plan) -> Trial:
    """A buyer asks for the money back at every instruction of the label step, while the worker stands still.

    Either no label is bought, or its one waybill is voided or a person's, before the platform hears of it.
    """
    trial = Trial(control="platform not asked before the booking: a label for an order that is refunded")
    # Warehouses that learn of an order only once it is placed: nothing leaves before the news.
    with small_world(plan, is_told=True) as world:
        placed = {moment: _refund_at(world, moment, trial) for moment in MOMENTS}
        # The shop's next order brings the news of all the others.
        world.order("brings the news")
        trial.check("all end", world.work().how == "done")
        held = dict(_holds(world))
        booked, told = world.shipments(), _told(world)
        for moment, order in placed.items():
            bought = booked[order.base]
            trial.check(f"{moment}: labels", bought == (moment not in UNASKED), bought)
            codes = set(held.get(order.tid, ()))
            # Once it was stopped, the platform hears so, and pays: nobody need look at it.
            is_over = bool(bought) and not _living(world, order)
            trial.check(
                f"{moment}: a person has it, or it is stopped", is_over or (bool(codes) and codes <= _STOPPED), codes
            )
            trial.check(f"{moment}: the platform is not told", order.tid not in told)
        check_all(world.demo, trial)
        unguarded = _refund_at(world, "label.before_claim", trial, Guard.REFUND_CHECK)
        trial.harm_shown = world.shipments()[unguarded.base] >= 1
    return trial


def _refund_at(world: SmallWorld, moment: str, trial: Trial, *without: Guard) -> Placed:
    placed = world.order(moment)
    frozen = world.work(Armed(moment, "stop"), without=without)
    world.demo.stage.pull("ask_refund", tid=placed.tid)
    trial.injected["refund asked"] += frozen.how == "stopped"
    trial.check(f"{moment}: met", frozen.how == "stopped", frozen.how)
    ended = world.resume(frozen)
    while ended.how == "stopped":
        # Its case was read before its order was: stopped and made anew, the order comes to its label once more, where
        # the platform is asked.
        ended = world.resume(ended)
    if ended.how == "stuck":
        # The calls of its stop end first.
        ended = world.work(without=without)
    trial.check(f"{moment}: the worker goes on", ended.how == "done", ended.how)
    return placed


def _holds(world: SmallWorld) -> list[tuple[str, list[str]]]:
    """Open holds by platform order id."""
    with world.demo.db.connection() as connection:
        return [(row[0], row[1]) for row in connection.execute(DRILLS["open_holds"]).fetchall()]


def _told(world: SmallWorld) -> set[str]:
    return {str(row["tid"]) for row in world.demo.stage.read("_ledger")["write_backs"]}


def intent_of_a_closed_order(plan: Plan) -> Trial:
    """A worker dies right after the courier booked, and the buyer closes the order before anybody recovers it.

    The courier is asked all the same, the waybill is recorded and voided, and the order is closed.
    """
    trial = Trial(control="a stopped order left alone: a living waybill that nobody knows")
    # Warehouses that learn of the order only once it is placed: the parcel does not leave before the recovery.
    with small_world(plan, is_told=True) as world:
        closed = _close_unheard(world, trial)
        codes = dict(_holds(world)).get(closed.tid, [])
        trial.check("nobody need look at the order", not codes, codes)
        living = _living(world, closed)
        trial.check("its waybill is dead", not living, sorted(living))
        trial.check("one shipment", world.shipments()[closed.base] == 1, world.shipments()[closed.base])
        trial.check("no unknown living waybill", not _unknown(world), sorted(_unknown(world)))
        trial.check("the platform is not told", closed.tid not in _told(world))
        check_all(world.demo, trial)
        left = _close_unheard(world, trial, Guard.STOPPED_ASKED)
        trial.harm_shown = world.shipments()[left.base] == 1 and len(_unknown(world)) == 1
    return trial


def _close_unheard(world: SmallWorld, trial: Trial, *without: Guard) -> Placed:
    placed = world.order("booked and unheard, then closed")
    killed = world.work(Armed("label.booked", "kill"), without=without)
    trial.injected["kill -9"] += killed.how == "killed"
    world.demo.stage.pull("close_order", tid=placed.tid)
    # The next order of the shop brings the news, while the dead worker's call may still run.
    world.order("brings the news")
    world.go_on(without=without)
    ended = world.work(without=without)
    if not without:
        trial.check("it is recovered", killed.how == "killed" and ended.how == "done", ended.how)
    return placed


def _living(world: SmallWorld, placed: Placed) -> set[str]:
    """Waybills of one order that live at the courier."""
    rows = world.demo.stage.read("_ledger")["waybills"]
    return {row["number"] for row in rows if row["is_alive"] and base_of(row["reference"]) == placed.base}


def _unknown(world: SmallWorld) -> set[str]:
    """Waybills that live at the courier and that we do not have."""
    with world.demo.db.connection() as connection:
        known = {row[0] for row in connection.execute(DRILLS["known_waybills"]).fetchall()}
    return {row["number"] for row in world.demo.stage.read("_ledger")["waybills"] if row["is_alive"]} - known
