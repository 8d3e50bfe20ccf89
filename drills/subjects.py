"""Drills in which the fault of one subject must not affect others: its account and other orders continue."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from drills.checkers import check_all, number
from drills.course import hurt, script, until
from drills.drill import Plan, Trial
from drills.queries import DRILLS
from drills.small_world import SPOTLESS, SmallWorld, small_world
from drills.unguarded import Guard
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import Script
from workers.supervisor import supervised

_ORDERS = 60
_MARK = "<script>"
_UNREADABLE = 6
# What sixty orders of one shop may take on a busy machine, and until when somebody must have named the culprit.
_USUAL_S, _NAMED_S = 40.0, 60.0
_NEIGHBOURS = 6


def poison_address(plan: Plan) -> Trial:
    """A courier's firewall answers 403 to one address among sixty good orders."""
    trial = Trial(control="one order's 403 believed to be the account's: its neighbours stand still")
    with prepared(plan.base, _script(plan)) as demo:
        demo.stage.pull("set_firewall", marks=[_MARK])
        poison = _poison_order(demo, demo.settings.shops[0].name)
        trial.injected["address that a firewall refuses"] += 1
        with supervised(demo.supervisor):
            started = time.monotonic()
            _all_booked(trial, demo, "all good ones are booked", _ORDERS, started)
            named = until(demo, lambda: poison in _holds(demo))
            _named(trial, "a hold names the poison", _holds(demo).get(poison, []), started, is_named=named)
            trial.check("all ended", hurt(demo, (), trial))
            trial.check("nobody else is held", set(_holds(demo)) == {poison}, sorted(_holds(demo)))
            check_all(demo, trial)
        _never_paused(trial, demo)
    trial.harm_shown = _neighbours_stand_still(plan, _spoil_courier)
    return trial


def unreadable_orders(plan: Plan) -> Trial:
    """Six orders that a shop's platform answers with a page for people, one with half an answer, and one with a no."""
    trial = Trial(control="unreadable orders believed to be a sick server: the shop's other orders stay away")
    with prepared(plan.base, _script(plan)) as demo:
        shop = demo.settings.shops[0].name
        spoilt = [_spoilt_order(demo, shop, how) for how in ("page",) * _UNREADABLE + ("torn", "argument")]
        trial.injected["order that cannot be read"] += len(spoilt)
        with supervised(demo.supervisor):
            started = time.monotonic()
            _all_booked(trial, demo, "all good ones are booked", _ORDERS, started)
            named = until(demo, lambda: set(spoilt) <= _gaps(demo))
            _named(trial, "gaps name the spoilt ones", sorted(_gaps(demo)), started, is_named=named)
            late = _order(demo, shop)
            _all_booked(trial, demo, "later ones come too", _ORDERS + 1, time.monotonic())
            trial.check("nobody is held", not _holds(demo), _holds(demo))
            trial.check("only the spoilt ones are missing", late not in _gaps(demo) and _gaps(demo) == set(spoilt))
        _never_paused(trial, demo)
    trial.harm_shown = _neighbours_stand_still(plan, _spoil_shop)
    return trial


def _script(plan: Plan) -> Script:
    return replace(script(plan, _ORDERS, shops=1), dirt=SPOTLESS)


def _order(demo: RunningDemo, shop: str, **given: object) -> str:
    sku = max(demo.stage.read("_ledger")["stock"], key=lambda row: int(row["on_hand"]))["sku"]
    return str(demo.stage.pull("add_order", shop=shop, lines=[{"sku": sku}], **given)["tid"])


def _poison_order(demo: RunningDemo, shop: str) -> str:
    receiver = {"name": "张三", "mobile": "13800000001", "detail": f"科技路1号{_MARK}2单元301室"}
    return _order(demo, shop, receiver=receiver)


def _spoilt_order(demo: RunningDemo, shop: str, how: str) -> str:
    tid = _order(demo, shop)
    demo.stage.pull("spoil_order", tid=tid, how=how)
    return tid


def _booked(demo: RunningDemo) -> int:
    return len(demo.stage.read("_ledger")["waybills"])


def _holds(demo: RunningDemo) -> dict[str, list[str]]:
    """Open holds by platform order id."""
    with demo.db.connection() as connection:
        return dict(connection.execute(DRILLS["open_holds"]).fetchall())


def _gaps(demo: RunningDemo) -> set[str]:
    """Orders that were listed and cannot be had, by platform order id."""
    with demo.db.connection() as connection:
        return {row[0] for row in connection.execute(DRILLS["open_gaps"]).fetchall()}


def _all_booked(trial: Trial, demo: RunningDemo, what: str, wanted: int, since: float) -> None:
    came = until(demo, lambda: _booked(demo) >= wanted)
    seconds = time.monotonic() - since
    trial.check(what, came and seconds < _USUAL_S, f"{_booked(demo)} of {wanted} after {seconds:.1f} s")


def _named(trial: Trial, what: str, seen: Sequence[str], since: float, *, is_named: bool) -> None:
    seconds = time.monotonic() - since
    trial.check(what, is_named and seconds < _NAMED_S, f"{', '.join(seen)} after {seconds:.1f} s")


def _never_paused(trial: Trial, demo: RunningDemo) -> None:
    pauses = (demo.stage.folder / "workers.log").read_text().count('"account_paused"')
    trial.check("no account is paused", pauses == 0, pauses)
    trial.check("no gate is shut", number(demo, DRILLS["engine_gates"]) == 0)


def _neighbours_stand_still(plan: Plan, spoil: Callable[[SmallWorld], None]) -> bool:
    """Whether orders that come after the poison stay where they are once nobody asks whose fault it is."""
    with small_world(plan) as world:
        file = world.demo.stage.settings_file
        file.write_text(file.read_text().replace("failures_max = 1000000", "failures_max = 5"))
        spoil(world)
        world.work(without=(Guard.WHOSE_FAULT,))
        before = _booked(world.demo)
        for _ in range(_NEIGHBOURS):
            world.order("neighbour")
        world.work(without=(Guard.WHOSE_FAULT,))
        return _booked(world.demo) == before


def _spoil_courier(world: SmallWorld) -> None:
    world.demo.stage.pull("set_firewall", marks=[_MARK])
    _poison_order(world.demo, world.demo.settings.shops[0].name)
    world.opening += 1


def _spoil_shop(world: SmallWorld) -> None:
    for _ in range(_UNREADABLE):
        _spoilt_order(world.demo, world.demo.settings.shops[0].name, "page")
        world.opening += 1
