"""Orders stopped and changed at random moments of their way, while calls fail, processes die and stores go away."""

import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec

from domain.cases import CaseKind
from drills.checkers import check_all, number
from drills.course import LOOK_EVERY_S, Moment, do, look, script
from drills.drill import Plan, Trial
from drills.fork_server import Armed
from drills.harms import Harm
from drills.lines import GARBAGE, TOO_LATE, Lines, lined
from drills.nemesis import fault_plan, harms
from drills.proxy import Fault
from drills.queries import DRILLS
from drills.small_world import small_world
from drills.unclear import LOST
from drills.unguarded import Guard
from drills.wishes import LI, Wish, Wishing, draw_wishes, wishing
from ops.verbs.stop_orders import stop
from ops.views.ledgers import our_ledger
from workers.demo.people import packers_at_work
from workers.demo.run import Progress, RunningDemo
from workers.demo.stage import Script
from workers.demo.warehouses import EVERY

ORDERS, ORDERS_QUICK = 10_000, 300
FAULTS, FAULTS_QUICK = 30, 6
WISHES_SHARE, FAULTY_SHARE = 0.12, 0.05
# Stopped orders are not written back: the last fault comes before so many are.
_LAST_FAULT = 0.8
# Longer than the longest fault, and the leases behind it.
_STALL_S = 90.0
_SHOWN = 5
# So long after a change at the platform its news may still be on the way: shops are read every five seconds.
_NEWS_S = 15.0
_DROPPED = Fault("request lost", is_dropped=True)
# Whether the platform was told that goods stay can be seen only if it was: a request that never arrives is looked for
# until the platform decides, in two days.
_ANSWER = b"rdc.aligenius.sendgoods.cancel"
_PLATFORM = 'platform = "taobao"'
# Read as often as orders.
_CASES_EVERY = f"{_PLATFORM}\ncases_every_s = 5.0"


@dataclass
class FaultyCalls:
    """A share of all calls is lost on the way there, or answered with silence, with nonsense, or too late."""

    draw: random.Random
    share: float

    def __call__(self, request: bytes) -> Fault | None:
        if not request.startswith((b"POST ", b"GET ")) or self.draw.random() >= self.share:
            return None
        fault = self.draw.choice((LOST, GARBAGE, TOO_LATE, _DROPPED))
        return LOST if fault is _DROPPED and _ANSWER in request else fault


def stop_storm(plan: Plan) -> Trial:
    """Twelve orders in a hundred are stopped or changed, at every place of their way, under the faults of `nemesis`.

    Control: stops that end without the word of warehouse and courier. A parcel leaves after *stopped* was told.
    """
    trial = Trial(control="stops believed without a word of warehouse and courier: a stopped parcel leaves")
    orders, faults = (ORDERS_QUICK, FAULTS_QUICK) if plan.is_quick else (ORDERS, FAULTS)
    with lined(plan, _script(plan, orders), _amended, lines_others=True) as lines:
        wishes = draw_wishes(plan.seed, _orders(lines.demo), WISHES_SHARE)
        moments = fault_plan(plan.seed, faults, _harms(lines, plan.seed))
        _spoil(lines, plan.seed)
        with _people(lines, wishes) as (demo, wanted):
            trial.check("all ended", _play(demo, wanted, moments, trial), _unrest(demo, wanted))
        trial.check("faults", sum(trial.injected[name] for name in _harms(lines, plan.seed)) == faults)
        trial.injected.update(lines.courier.struck + lines.others.struck)
        trial.injected.update({f"wish: {name}": count for name, count in wanted.done.items()})
        check_all(demo, trial, readdressed=_readdressed(demo, wanted))
        check_stops(demo, trial)
    trial.harm_shown = _leaves_unproven(plan)
    return trial


def check_stops(demo: RunningDemo, trial: Trial) -> None:
    """Every stop has ended, and none of the harms of a stop has happened."""
    with demo.db.connection() as session:
        stops = session.execute(DRILLS["ended_stops"]).fetchall()
    open_ = sum(status == "asked" for status, _, _ in stops)
    trial.check("stops were asked for", bool(stops), len(stops))
    trial.check("every stop has ended", not open_, open_ or len(stops))
    trial.told += _told(stops)
    for name, found in harms_of_stops(demo).items():
        trial.check(name, not found, "; ".join(found[:_SHOWN]))


def harms_of_stops(demo: RunningDemo) -> Mapping[str, Sequence[str]]:
    """What must not be, by name: waybills and orders where it is."""
    ledger = demo.stage.read("_ledger")
    shown = our_ledger(demo.db).shown_waybills
    with demo.db.connection() as session:
        wanted = {row[0] for row in session.execute(DRILLS["wanted_waybills"])}
        stopped = {row[0] for row in session.execute(DRILLS["stopped_waybills"])}
        cases = session.execute(DRILLS["cases_of_kind"], {"kind": CaseKind.MOVED_THOUGH_STOPPED}).fetchall()
    living = {row["number"] for row in ledger["waybills"] if row["is_alive"] and not row["is_collected"]}
    left = {row["number"] for row in ledger["waybills"] if row["is_collected"]}
    paid = [f"{row['tid']} {row['number']}" for row in ledger["alarms"] if row["kind"] == "paid_while_it_travels"]
    return {
        "no living waybill that nobody wants or knows": sorted(living - wanted - shown),
        "no parcel left after its stop was confirmed": [*sorted(left & stopped), *(row[0] for row in cases)],
        "no money promised back for goods that travel": paid,
    }


def _script(plan: Plan, orders: int) -> Script:
    """Warehouses of every kind, one of which decides about stops later; parcels are followed to the door."""
    floors = {**EVERY.floors, "shanghai": msgspec.structs.replace(EVERY.floors["shanghai"], stops="later")}
    return replace(script(plan, orders, shops=5), locations=EVERY.locations, floors=floors, follows=True)


def _amended(settings: str) -> str:
    return settings.replace(_PLATFORM, _CASES_EVERY)


def _orders(demo: RunningDemo) -> list[tuple[str, list[str]]]:
    """The orders that are to ship: the platform's id, and the ids of the lines."""
    ordered = demo.stage.read("_ledger")["ordered"]
    return [(row["tid"], [line["oid"] for line in row["lines"]]) for row in ordered if row["expected"] == "ship"]


def _harms(lines: Lines, seed: int) -> dict[str, Harm]:
    """The faults of `nemesis`; a lying courier is followed by one that is as faulty as before."""
    known = harms(lines, seed)
    lies = known["lying courier"]

    def lie_for_a_while(demo: RunningDemo) -> None:
        before = lines.courier.judge
        lies(demo)
        lines.courier.judge = before

    return {**known, "lying courier": lie_for_a_while}


def _spoil(lines: Lines, seed: int) -> None:
    """From now on calls to couriers, platforms and warehouses fail now and then."""
    for name, proxy in (("courier", lines.courier), ("others", lines.others)):
        draw = random.Random(f"{seed}/calls/{name}")  # noqa: S311 - repeatable, not secret
        proxy.judge = FaultyCalls(draw, FAULTY_SHARE)


@contextmanager
def _people(lines: Lines, wishes: Sequence[Wish]) -> Iterator[tuple[RunningDemo, Wishing]]:
    """The people of the houses at work, and everybody who wants something."""
    demo = lines.demo
    with (
        packers_at_work(demo.stage, demo.db, demo.supervisor.environment) as packers,
        wishing(demo, wishes) as wanted,
    ):
        yield replace(demo, packers=packers, started_at=time.monotonic()), wanted


def _play(demo: RunningDemo, wanted: Wishing, moments: Sequence[Moment], trial: Trial) -> bool:
    """Watch to the end and do harm at its moments; whether everything came to rest before the run stood still."""
    waiting = [(share * _LAST_FAULT, name, harm) for share, name, harm in moments]
    last, moved_at = None, time.monotonic()
    while True:
        progress = look(demo)
        # People who look for something to do move nothing.
        now = (replace(progress, seconds=0.0, are_people_busy=False), wanted.moves)
        if now != last:
            last, moved_at = now, time.monotonic()
        is_still = time.monotonic() - moved_at > _STALL_S / 4
        while waiting and (progress.written_back >= waiting[0][0] * progress.total or is_still):
            _, name, harm = waiting.pop(0)
            do(demo, name, harm, trial)
            moved_at = time.monotonic()
        if not waiting and _is_over(progress) and not wanted.is_busy:
            return True
        if time.monotonic() - moved_at > _STALL_S:
            return False
        time.sleep(LOOK_EVERY_S)


def _readdressed(demo: RunningDemo, wanted: Wishing) -> set[str]:
    """Orders whose address a person has corrected, or whose parcels had left before the platform's news was read."""
    with demo.db.connection() as session:
        left = session.execute(DRILLS["last_left"], {"tids": list(wanted.changed_at)}).fetchall()
    return wanted.corrected | {tid for tid, at in left if at < wanted.changed_at[tid] + _NEWS_S}


def _is_over(progress: Progress) -> bool:
    """What is due is looked at by `Wishing`, which knows what is waited for in vain."""
    is_all_here = progress.visible >= progress.total and progress.stored + progress.unread >= progress.visible
    return is_all_here and progress.on_the_way == 0 and not progress.are_people_busy


def _unrest(demo: RunningDemo, wanted: Wishing) -> str:
    with demo.db.connection() as session:
        rungs = session.execute(DRILLS["open_rungs"]).fetchall()
        due = session.execute(DRILLS["due_steps"]).fetchall()
    return f"{dict(look(demo).states)}, open stops {dict(rungs)}, due {dict(due)}, {len(wanted.left)} wishes left"


def _told(stops: Sequence[tuple[str, str, float | None]]) -> list[str]:
    """How many stops ended how, and the median and the longest time of each end."""
    lines = []
    for status, count in sorted(Counter(status for status, _, _ in stops).items()):
        spans = sorted(span for one, _, span in stops if one == status and span is not None)
        if spans:
            took = f"median {statistics.median(spans):.1f} s, slowest {spans[-1]:.1f} s"
            lines.append(f"{count} stops {status.replace('_', ' ')}: {took}")
    spans = sorted(span for _, _, span in stops if span is not None)
    if spans:
        lines.append(f"{len(spans)} stops ended: median {statistics.median(spans):.1f} s, slowest {spans[-1]:.1f} s")
    return lines


def _leaves_unproven(plan: Plan) -> bool:
    """Whether a parcel that nothing has stopped leaves, and is found, once a stop needs no proof."""
    with small_world(plan, is_told=True) as world:
        world.silence_warehouses()
        world.order("control")
        world.work(Armed("dispatch.committed", "kill"))
        order_id = number(world.demo, DRILLS["newest_order"])
        stop(world.demo.db, order_id, LI)
        world.work(without=(Guard.STOP_PROOF,))
        living = [row["number"] for row in world.demo.stage.read("_ledger")["waybills"] if row["is_alive"]]
        world.demo.stage.pull("collect", numbers=living[-1:])
        return bool(living) and living[-1] in harms_of_stops(world.demo)["no parcel left after its stop was confirmed"]
