"""Drills in which an account takes no more calls: too many of them, or credentials that have expired."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from drills.checkers import check_all, number
from drills.course import hurt, look, script, until
from drills.drill import Plan, Trial
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from infra.accounts.rules import rules_by_account
from infra.accounts.shared_breaker import GateLook, SharedGates, connect_gates
from infra.config.settings import Settings
from workers.demo.run import prepared
from workers.supervisor import supervised

_CALLS = 2
_AGAIN = 3
_ORDERS, _ORDERS_QUICK = 200, 60
_PROBE_EVERY_S = 2.0
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Limit:
    """How an account refuses what is over its limit."""

    who: str
    says: str
    retry_after_s: int | None = None

    def __str__(self) -> str:
        wish = f", {self.retry_after_s} s" if self.retry_after_s else ""
        return f"{self.who} limits by {self.says}{wish}"


LIMITS = (
    Limit("sf", "http", 3),
    Limit("sf", "http"),
    Limit("sf", "code"),
    Limit("taobao", "code", 3),
    Limit("taobao", "day"),
)


def throttled(plan: Plan) -> Trial:
    """An account refuses calls over its limit: after one refusal no call is made for the requested time, and no attempt
    is counted.
    """
    trial = Trial(control="its wish forgotten each time: a refused call each time")
    with small_world(plan) as world, _gates(world.demo.settings) as gates:
        _one_call_at_a_time(world)
        for limit in LIMITS:
            account = _account(world.demo.settings, limit)
            before = _calls(world, limit)
            _place_over(world, limit)
            world.work()
            made = _calls(world, limit) - before
            trial.injected["call over the limit"] += made - _CALLS
            trial.check(f"{limit}: one call too many", made == _CALLS + 1, made)
            trial.check(f"{limit}: no attempt spent", world.number(DRILLS["attempts"]) == 0)
            seen = _seen(world.demo.settings, gates, account)
            trial.check(f"{limit}: breaker shut, account quiet", seen.why == "throttled", seen)
            world.demo.stage.pull("lift_limit", who=limit.who)
            if limit.retry_after_s is None:
                gates.forget(account)
            trial.check(f"{limit}: all orders end", _finish(world))
        check_all(world.demo, trial)
        trial.harm_shown = _forgetful(world, gates)
    return trial


def locked_out(plan: Plan) -> Trial:
    """The credentials of the courier and of one shop expire and are renewed: one alarm each, nothing dies of it."""
    trial = Trial()
    orders = _ORDERS_QUICK if plan.is_quick else _ORDERS
    with prepared(plan.base, script(plan, orders)) as demo:
        locked = ("sf", demo.settings.shops[0].name)
        file = demo.stage.settings_file
        file.write_text(file.read_text().replace("[engine]", f"[guard]\nprobe_every_s = {_PROBE_EVERY_S}\n\n[engine]"))
        with supervised(demo.supervisor):
            for who in locked:
                demo.stage.pull("lock_out", who=who)
                trial.injected["credentials expired"] += 1
            trial.check("both paused", until(demo, lambda: number(demo, DRILLS["engine_gates"]) == len(locked)))
            trial.check("labels rest", until(demo, lambda: number(demo, DRILLS["resting_labels"]) > 0))
            for who in locked:
                demo.stage.pull("lock_out", who=who, is_out=False)
            trial.check("all ended", hurt(demo, (), trial), dict(look(demo).states))
            check_all(demo, trial)
        alarms = (demo.stage.folder / "workers.log").read_text().count('"account_paused"')
        trial.check("one alarm an account", alarms == len(locked), alarms)
        trial.check("reopened by themselves", number(demo, DRILLS["engine_gates"]) == 0)
    return trial


@contextmanager
def _gates(settings: Settings) -> Iterator[SharedGates]:
    with closing(connect_gates(settings.stores.redis_url.reveal())) as client:
        yield SharedGates(client)


def _one_call_at_a_time(world: SmallWorld) -> None:
    """So that a call over the limit is not under way already. Parcels have a gate of their own and are not followed."""
    file = world.demo.stage.settings_file
    text = file.read_text().replace("[engine]", "[engine]\noutside_concurrency = 1")
    file.write_text(text.replace("[[couriers]]", "[[couriers]]\ntrack = false"))


def _account(settings: Settings, limit: Limit) -> str:
    return (settings.couriers if limit.who == "sf" else settings.shops)[0].account


def _calls(world: SmallWorld, limit: Limit) -> int:
    mark = "EXP_RECE" if limit.who == "sf" else "taobao"
    return sum(count for name, count in world.demo.stage.read("_progress")["calls"].items() if name.startswith(mark))


def _place_over(world: SmallWorld, limit: Limit) -> None:
    """More orders than the account takes calls for."""
    world.demo.stage.pull(
        "limit_calls", who=limit.who, calls=_CALLS, says=limit.says, retry_after_s=limit.retry_after_s
    )
    for _ in range(_CALLS + 2):
        world.order(str(limit))


def _seen(settings: Settings, gates: SharedGates, account: str) -> GateLook:
    return gates.look([account], rules_by_account(settings)[account])[account]


def _finish(world: SmallWorld) -> bool:
    """Work until all orders have ended; a requested pause is waited in real time."""
    deadline = time.monotonic() + _PATIENCE_S
    while world.work().how != "done":
        if time.monotonic() > deadline:
            return False
    return True


def _forgetful(world: SmallWorld, gates: SharedGates) -> bool:
    """Whether an account is called again and again once nobody remembers what it asked for."""
    limit = Limit("sf", "code")
    before = _calls(world, limit)
    _place_over(world, limit)
    for _ in range(_AGAIN):
        world.work()
        gates.forget(_account(world.demo.settings, limit))
    return _calls(world, limit) - before >= _CALLS + _AGAIN
