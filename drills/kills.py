"""Drills with kill -9 at named instructions: alone, again during the recovery, frozen, and again and again."""

import random
from collections.abc import Iterable

from drills.checkers import check_all, letters_of
from drills.drill import Plan, Trial
from drills.fork_server import Armed
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from drills.unguarded import Guard
from infra.process.failpoints import SWEEP_POINT, step_points
from infra.process.steps import STEPS

# An order that nobody stops, and of which no buyer wants money back, passes none of these.
_OF_STOPS = frozenset({"stop", "recall", "void", "intercept", "apply_case", "answer"})
_OF_CASES = frozenset({"pull_cases.stored"})
POINTS = tuple(point for point in step_points() if point.partition(".")[0] not in _OF_STOPS and point not in _OF_CASES)

PAIRS, PAIRS_QUICK = 500, 12
# More deaths than the house allows a subject, by far.
_DEATHS = 10


def kill_sweep(plan: Plan) -> Trial:
    """A worker dies once at every failpoint of every step; each time another one ends the order.

    Control: at a courier that books whatever it is asked, a booking whose intent is forgotten is made twice; and at a
    warehouse that takes whatever it is told and is not asked first, so is a document.
    """
    trial = Trial(control="intent forgotten: two waybills, and two documents")
    with small_world(plan, is_told=True) as world:
        unmet = [point for point in POINTS if not _die_and_recover(world, [point], trial)]
        trial.check("every failpoint was met", not unmet, ", ".join(unmet) or len(POINTS))
        _check_ends(world, trial)
        check_all(world.demo, trial)
        trial.check("asked before it booked again", _books_once(world), "a courier without idempotency")
        trial.check("asked before it placed again", _places_once(world), "a warehouse without idempotency")
        trial.harm_shown = not _books_once(world, forgets=True) and not _places_once(world, forgets=True)
    return trial


def kill_pairs(plan: Plan) -> Trial:
    """A worker dies, and the one that recovers its order dies as well, at every sampled pair of failpoints."""
    wanted = PAIRS_QUICK if plan.is_quick else PAIRS
    trial, met = Trial(control="nobody looks for the dead: what they held stays with them"), 0
    with small_world(plan, is_told=True) as world:
        for pair in _pairs(plan):
            met += _die_and_recover(world, pair, trial)
            if met == wanted:
                break
        # The sweeper dies as well while it frees what the first one left.
        held = [point for point in POINTS if point.endswith((".work", ".intended", ".after_call", ".recorded"))]
        for point in held[::6] if plan.is_quick else held:
            _die_and_recover(world, (point, SWEEP_POINT), trial)
        trial.check("pairs met", met == wanted, met)
        _check_ends(world, trial)
        check_all(world.demo, trial)
        world.order("control")
        world.work(Armed("label.after_call", "kill"))
        trial.harm_shown = world.work(without=(Guard.DEATH_WATCH,)).how == "stuck"
    return trial


def zombie(plan: Plan) -> Trial:
    """A worker freezes with an answer in its hands; its lease runs out, another ends the order, it wakes up."""
    trial = Trial(control="a save needs no lease: it is made under another worker's")
    steps = [name for name, step in STEPS.items() if step.is_remote and not step.is_endless and name not in _OF_STOPS]
    with small_world(plan, is_told=True) as world:
        for step in steps:
            point = f"{step}.after_call"
            world.order(point)
            frozen = world.work(Armed(point, "stop"))
            trial.injected[f"SIGSTOP at {point}"] += frozen.how == "stopped"
            world.execute(DRILLS["end_leases"])
            trial.check(f"{step}: another worker ends it", world.work().how == "done")
            trial.check(f"{step}: the frozen one goes on", world.resume(frozen).how == "done")
        refused = world.log().count("late_save_refused")
        trial.check("late saves refused", refused == len(steps), refused)
        check_all(world.demo, trial)
        trial.check("nor under another's lease", not _saves_under_another_lease(world))
        trial.harm_shown = _saves_under_another_lease(world, Guard.TOKEN_CHECK)
    return trial


def poison(plan: Plan) -> Trial:
    """An order that kills every worker that works on it: one death in its batch, three alone, then a dead letter.

    Control: without a limit of crashes it kills workers for ever.
    """
    trial = Trial(control=f"no limit of crashes: {_DEATHS} deaths and no end")
    with small_world(plan) as world:
        victim, deaths = _poisoned(world)
        trial.injected["kill at review.work"] += deaths
        trial.check("deaths", deaths <= 1 + world.demo.settings.engine.crashes_max, deaths)
        trial.check("its dead letter", letters_of(world.demo) == [("review", victim, "worker_killed", 3)])
        check_all(world.demo, trial, dead=1)
        _limitless(world)
        _, deaths = _poisoned(world)
        trial.harm_shown = deaths > _DEATHS
    return trial


def _saves_under_another_lease(world: SmallWorld, *without: Guard) -> bool:
    """Freeze one worker with its answer and the next one before its call; whether the first one saves on waking up."""
    world.order("two at one label")
    first = world.work(Armed("label.after_call", "stop"), without=without)
    world.execute(DRILLS["end_leases"])
    second = world.work(Armed("label.before_call", "stop"))
    world.resume(first)
    has_saved = world.number(DRILLS["newest_is_booked"]) == 1
    world.resume(second)
    return has_saved


def _pairs(plan: Plan) -> list[tuple[str, str]]:
    """Pairs in a random order; what lies behind an order is not met again."""
    place = {step: number for number, step in enumerate(STEPS)}
    pairs = [
        (first, second)
        for first in POINTS
        for second in POINTS
        if place[first.partition(".")[0]] <= place[second.partition(".")[0]]
    ]
    random.Random(f"{plan.seed}/pairs").shuffle(pairs)  # noqa: S311 - repeatable, not secret
    return pairs


def _die_and_recover(world: SmallWorld, points: Iterable[str], trial: Trial) -> bool:
    """Die at each point in turn, then work in peace; whether every point was met."""
    points = list(points)
    world.order(" then ".join(points))
    met = 0
    for point in points:
        if world.work(Armed(point, "kill")).how == "killed":
            met += 1
            trial.injected["kill -9"] += 1
    ended = world.work()
    if ended.how != "done":
        trial.check(" then ".join(points), holds=False, seen=ended.how)
    return met == len(points)


def _check_ends(world: SmallWorld, trial: Trial) -> None:
    """Of each placed order the courier has exactly one shipment, dead ones counted, and the platform knows it."""
    ledger = world.demo.stage.read("_ledger")
    told = {str(row["tid"]) for row in ledger["write_backs"]}
    booked = world.shipments()
    wrong = [f"{one.why}: {booked[one.base]}" for one in world.placed if booked[one.base] != 1]
    trial.check("one shipment an order", not wrong, "; ".join(wrong[:5]) or len(world.placed))
    documents = world.documents()
    wrong = [f"{one.why}: {documents[one.base]}" for one in world.placed if documents[one.base] != 1]
    trial.check("one document an order", not wrong, "; ".join(wrong[:5]) or len(world.placed))
    silent = [one.why for one in world.placed if one.tid not in told]
    trial.check("each told to its platform", not silent, "; ".join(silent[:5]) or len(world.placed))


def _books_once(world: SmallWorld, *, forgets: bool = False) -> bool:
    """Whether a crash after the booking leads to one waybill at a courier that would book again."""
    world.demo.stage.pull("set_courier", knows_references=False)
    placed = world.order("label.booked, courier without idempotency")
    world.work(Armed("label.booked", "kill"), is_idempotent=False)
    if forgets:
        world.execute(DRILLS["forget_calls"])
    world.work(is_idempotent=False)
    world.demo.stage.pull("set_courier")
    return world.shipments()[placed.base] == 1


def _places_once(world: SmallWorld, *, forgets: bool = False) -> bool:
    """Whether a crash after the placing leaves one document at a warehouse that would take a second one.

    Last of all where the intent is forgotten: an event would tell of the document, so the warehouses fall silent for
    good.
    """
    if forgets:
        world.silence_warehouses()
    placed = world.order("dispatch.placed")
    world.work(Armed("dispatch.placed", "kill"))
    without = (Guard.DOCUMENT_ASKED,) if forgets else ()
    if forgets:
        world.execute(DRILLS["forget_calls"])
    world.work(without=without)
    return world.documents()[placed.base] == 1


def _poisoned(world: SmallWorld) -> tuple[int, int]:
    """Place two orders, one of which kills in review; its subject, and the deaths until it stops or enough is seen."""
    world.order("a neighbour")
    world.order("poison")
    world.work(Armed("review.before_claim", "kill"))
    victim = world.number(DRILLS["newest"])
    deaths = 0
    while world.work(Armed("review.work", "kill", (victim,))).how == "killed" and deaths <= _DEATHS:
        deaths += 1
    return victim, deaths


def _limitless(world: SmallWorld) -> None:
    file = world.demo.stage.settings_file
    file.write_text(file.read_text().replace("[engine]", "[engine]\ncrashes_max = 1000000"))
