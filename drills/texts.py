"""A drill about text messages: the provider does not drop a repetition, so a message must be sent once."""

import random
from collections import Counter
from itertools import product

from drills.checkers import check_all
from drills.drill import Plan, Trial
from drills.fork_server import Armed
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from infra.process.failpoints import step_points

POINTS = step_points()

PAIRS, PAIRS_QUICK = 24, 4
_BEFORE_CLAIM = "notify.before_claim"
# A worker that finds an intent does not send: what follows the sending is met once in a notice's life.
_ONCE = "notify.sent"
# After it nothing is left to recover.
_LAST = "notify.committed"


def text_once(plan: Plan) -> Trial:
    """A worker dies at every failpoint of a text message's notice, and so does the one that recovers it.

    Control: with the provider believed to drop what comes twice, the buyer gets two.
    """
    trial = Trial(control="believed to be dropped when repeated: two text messages")
    points = [point for point in POINTS if point.startswith("notify.") and point != _BEFORE_CLAIM]
    pairs = [pair for pair in product(points, points) if pair[0] != _LAST and pair[1] != _ONCE]
    random.Random(f"{plan.seed}/texts").shuffle(pairs)  # noqa: S311 - repeatable, not secret
    chosen = pairs[: PAIRS_QUICK if plan.is_quick else PAIRS]
    deaths: list[tuple[str, ...]] = [*((point,) for point in points), *chosen]
    with small_world(plan) as world:
        unmet = [each for each in deaths if not _die(world, each, trial)]
        trial.check("every failpoint was met", not unmet, unmet or len(deaths))
        check_all(world.demo, trial)
        unknown = world.number(DRILLS["unknown_texts"])
        trial.check("unclear ones recorded as unknown", unknown > 0, unknown)
        _die(world, (_ONCE,), Trial(), texts_again=True)
        sent = Counter(row["event_id"] for row in world.demo.stage.read("_ledger")["texted"])
        trial.harm_shown = max(sent.values()) > 1
    return trial


def _die(world: SmallWorld, points: tuple[str, ...], trial: Trial, *, texts_again: bool = False) -> bool:
    """Die at each point in turn with the text message of a new order, then work in peace; whether all were met."""
    world.order(" then ".join(points))
    world.work(Armed(_BEFORE_CLAIM, "kill"))
    notice = world.number(DRILLS["unclaimed_text"])
    met = 0
    for point in points:
        met += world.work(Armed(point, "kill", (notice,)), texts_again=texts_again).how == "killed"
    trial.injected["kill -9"] += met
    ended = world.work(texts_again=texts_again)
    if ended.how != "done":
        trial.check(" then ".join(points), holds=False, seen=ended.how)
    return met == len(points)
