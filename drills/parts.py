"""Orders of several lines in two locations, changed on their way, while processes die and Redis is emptied."""

from dataclasses import replace

from domain.ledger_check import Verdict
from drills.checkers import check_all
from drills.course import Moment, hurt, look, script
from drills.drill import Plan, Trial
from drills.harms import empty_redis, kill
from workers.demo.run import conclude, running
from workers.demo.stage import scenes_of

ORDERS, ORDERS_QUICK = 2_000, 120
_SPLIT, _CHANGED = 0.6, 0.3
_MOMENTS: tuple[Moment, ...] = (
    (0.1, "worker killed", kill("worker")),
    (0.2, "FLUSHALL", empty_redis),
    (0.35, "worker killed", kill("worker")),
    (0.45, "sweeper killed", kill("sweeper")),
    (0.55, "FLUSHALL", empty_redis),
    (0.65, "worker killed", kill("worker")),
)


def parts(plan: Plan) -> Trial:
    """Each line is labelled and told once, whatever was split, refunded, closed or shipped by others on the way."""
    trial = Trial()
    orders = ORDERS_QUICK if plan.is_quick else ORDERS
    played = replace(script(plan, orders), scenes=scenes_of(_SPLIT, _CHANGED))
    with running(plan.base, played) as demo:
        trial.check("all ended", hurt(demo, _MOMENTS, trial), dict(look(demo).states))
        verdicts = conclude(demo, 0.0).comparison.verdicts
        trial.check("most are done", 2 * verdicts.get(Verdict.DONE, 0) > orders, dict(verdicts))
        check_all(demo, trial)
    return trial
