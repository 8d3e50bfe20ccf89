"""P8: a database of an earlier version migrates in place while orders move, old and new workers side by side."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError

from domain.errors import Misconfigured
from domain.ledger_check import LedgerComparison, compare_ledgers
from drills.checkers import check_effects, number
from drills.drill import Plan, Trial
from drills.harms import slow_courier
from drills.upgrade.earlier import Earlier
from drills.upgrade.migrating import migrate_measured
from drills.upgrade.stored import LOOKS, store_orders, wake
from infra.engine.worker_lock import PRESENCE_CLASS
from ops.views.ledgers import our_ledger
from sandbox.spec import Dirt, Scenes, WarehouseDelays
from workers.demo.run import RunningDemo, prepared, their_ledger
from workers.demo.stage import Script
from workers.demo.warehouses import UNTOLD
from workers.supervisor import Supervisor, supervised

STORED, STORED_QUICK = 100_000, 4_000
ORDERS, ORDERS_QUICK = 6_000, 600
# How fast orders come: they must come for as long as workers change, and while stored orders are made.
_PER_SECOND, _PER_SECOND_QUICK = 15.0, 4.0
# So that some are at every step at each change.
_DELAYS = WarehouseDelays(accept_s=1.0, pack_s=1.0, handover_s=1.0)
# Orders that no location can fill alone: the earlier version holds them, this one waits with them.
_SCENES = Scenes(split=0.08)
# Share of the orders that is told in each stretch.
_TOLD_EACH = 0.12
_LOOK_EVERY_S, _SOON_S = 0.25, 0.01
_STALL_S = 90.0
# Stored orders are woken in so many shares, one for each stretch of the way.
_SHARES = 5
# The stretch that begins with the migration.
_MIGRATED = 1
# What a worker may wait for a migration: far below the time after which it gives up a lock.
_WAIT_MAX_S = 3.0
_BUYERS = 3
_CHANGED = "order changed by its buyer"
# A request that the sandbox answers too late on a busy machine is repeated; without an answer orders would be missing
# in the ledgers.
_READ_AGAIN = frozenset({"orders_not_fetched", "shop_unread", "feed_unread"})
# Work that met the migration in the database, and is tried again.
_TRIED_AGAIN = frozenset({"batch_failed", "intents_failed"})


@dataclass(frozen=True, slots=True)
class Look:
    """Counts at one moment. Of the orders that come in meanwhile; `awake`: stored orders whose step is due."""

    visible: int
    total: int
    came: int
    told: int
    due: int
    in_house: int
    awake: int
    unread: int

    @property
    def is_over(self) -> bool:
        is_here = self.visible >= self.total and self.came + self.unread >= self.visible
        return is_here and not (self.due or self.in_house or self.awake)


def rolling_upgrade(plan: Plan) -> Trial:
    """Old workers, then the migration, old and new ones, old ones alone again (the way back), both, new ones alone."""
    if plan.earlier is None:
        raise Misconfigured("earlier_missing", "name the folder of the earlier version: --earlier")
    earlier, trial = Earlier(plan.earlier), Trial()
    script = Script(
        orders=ORDERS_QUICK if plan.is_quick else ORDERS,
        csv=None,
        seed=plan.seed,
        per_second=_PER_SECOND_QUICK if plan.is_quick else _PER_SECOND,
        processes=2,
        threads=4,
        shops=3,
        dirt=Dirt(),
        delays=_DELAYS,
        scenes=_SCENES,
        # The earlier version reads the same settings file.
        takes_over=False,
        floors=UNTOLD,
    )
    with prepared(plan.base, script, release=earlier.release) as demo:
        slow_courier(demo)
        store_orders(demo.db, STORED_QUICK if plan.is_quick else STORED)
        breaches = earlier.breaches(demo.settings)
        trial.check("stored orders are in order before", not breaches, breaches)
        draw = random.Random(plan.seed)  # noqa: S311 - a seed, not a secret
        try:
            with supervised(earlier.supervisor(demo)) as old:
                _Drive(demo, old, trial, draw).all_stretches()
        finally:
            demo.supervisor.stop()
        _check(demo, earlier, trial)
    return trial


@dataclass(frozen=True, slots=True)
class _Drive:
    demo: RunningDemo
    old: Supervisor
    trial: Trial
    draw: random.Random

    def all_stretches(self) -> None:
        """From the first order that the old workers tell to the last that the new ones do."""
        new = self.demo.supervisor
        stages: dict[str, Callable[[], object]] = {
            "old workers": lambda: None,
            "migrated, old workers": self._migrate,
            "side by side": new.start,
            "old workers again": new.stop,
            "side by side again": new.start,
        }
        for place, (name, change) in enumerate(stages.items()):
            change()
            self._stretch(name, place)
        restarts = self.old.restarts
        self.old.stop()
        self._until("all ended", lambda look: look.is_over)
        parts = number(self.demo, LOOKS["parts"])
        self.trial.check("orders in parts went on after the last old worker", parts > 0, parts)
        changed = self.trial.injected[_CHANGED]
        self.trial.check("buyers changed orders under way", changed > 0, changed)
        self.trial.check("no process died", restarts + new.restarts == 0, [restarts, new.restarts])

    def _migrate(self) -> None:
        wake(self.demo.db, _MIGRATED, _SHARES)
        deadline = time.monotonic() + _STALL_S
        while not (leased := number(self.demo, LOOKS["leases"])) and time.monotonic() < deadline:
            time.sleep(_SOON_S)
        self.trial.injected["leases at the migration"] += leased
        self.trial.check("work in flight at the migration", leased > 0, leased)
        for one in migrate_measured(self.demo.db):
            wait_s = one.waits.behind_s
            self.trial.check(f"nobody waits long for {one.file[:4]}", wait_s <= _WAIT_MAX_S, one)

    def _stretch(self, name: str, place: int) -> None:
        """So many orders are told under these workers, buyers change their minds, and stored orders go on."""
        if place >= _MIGRATED:
            self._await_workers(name)
        if place != _MIGRATED:
            wake(self.demo.db, place, _SHARES)
        self._bother()
        before = self._look()
        wanted = before.told + round(before.total * _TOLD_EACH)
        self._until(name, lambda look: look.told >= wanted)
        self.trial.injected[name] += self._look().told - before.told
        if place >= _MIGRATED:
            parts = number(self.demo, LOOKS["parts"])
            self.trial.check(f"no parts: {name}", parts == 0, parts)

    def _await_workers(self, name: str) -> None:
        expected = (2, 2 if "side" in name else 0)
        deadline = time.monotonic() + _STALL_S
        while (alive := self._workers()) != expected and time.monotonic() < deadline:
            self._look()
            time.sleep(_LOOK_EVERY_S)
        self.trial.check(f"workers: {name}", alive == expected, f"{alive[0]} old, {alive[1]} new")

    def _workers(self) -> tuple[int, int]:
        with self.demo.db.connection() as connection:
            row = connection.execute(LOOKS["workers"], {"class": PRESENCE_CLASS}).fetchone()
        assert row is not None
        return row[0], row[1]

    def _bother(self) -> None:
        """Some buyers ask for their money back, and some orders are closed."""
        for lever, query in (("ask_refund", "on_the_way"), ("close_order", "unpaid_or_held")):
            with self.demo.db.connection() as connection:
                names = [row[0] for row in connection.execute(LOOKS[query]).fetchall()]
            for name in self.draw.sample(names, min(_BUYERS, len(names))):
                try:
                    self.demo.stage.pull(lever, tid=name)
                except HTTPError:
                    continue  # it has been shipped meanwhile
                self.trial.injected[_CHANGED] += 1

    def _until(self, name: str, holds: Callable[[Look], bool]) -> None:
        last, moved_at = self._look(), time.monotonic()
        while not holds(last) and time.monotonic() - moved_at < _STALL_S:
            time.sleep(_LOOK_EVERY_S)
            now = self._look()
            if now != last:
                moved_at = time.monotonic()
            last = now
        self.trial.check(name, holds(last), last)

    def _look(self) -> Look:
        self.demo.supervisor.tend()
        self.old.tend()
        theirs = self.demo.stage.read("_progress")
        with self.demo.db.connection() as connection:
            row = connection.execute(LOOKS["progress"]).fetchone()
        assert row is not None
        return Look(theirs["visible"], theirs["orders"], *row)


def _check(demo: RunningDemo, earlier: Earlier, trial: Trial) -> None:
    comparison = _compare(demo)
    trial.check("three ledgers agree", comparison.agrees, comparison.contradictions[:5] or str(comparison.verdicts))
    trial.check("no second waybill", comparison.duplicate_waybills == 0, comparison.duplicate_waybills)
    check_effects(demo, trial)
    breaches = earlier.breaches(demo.settings)
    trial.check("invariants of the earlier version", not breaches, breaches)
    for name, query in (
        ("planned is what is reserved", "stored_sums"),
        ("wanted is planned, closed is cancelled", "unplanned"),
        ("planned is packed", "unpacked"),
        ("dead letters", "letters"),
    ):
        found = number(demo, LOOKS[query])
        trial.check(name, found == 0, found)
    errors = _errors(demo.stage.folder / "workers.log", trial)
    trial.check("no error in the logs", not errors, dict(errors))


def _compare(demo: RunningDemo) -> LedgerComparison:
    """Of the orders that came in meanwhile: of the stored ones no platform, courier or warehouse knows."""
    ours = our_ledger(demo.db)
    known = replace(
        ours,
        parts={key: parts for key, parts in ours.parts.items() if key[0] != "stored"},
        booked={
            reference: booked_package
            for reference, booked_package in ours.booked.items()
            if booked_package.key[0] != "stored"
        },
        pieces={sku: count for sku, count in ours.pieces.items() if not sku.startswith("STORED-")},
    )
    return compare_ledgers(known, their_ledger(demo.stage))


def _errors(log: Path, trial: Trial) -> Mapping[str, int]:
    """Log events of errors, and how often each; what was tried again is counted in the trial."""
    found: Counter[str] = Counter()
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                found[line.strip()[:80]] += 1
                continue
            event = told.get("event")
            if event in _TRIED_AGAIN:
                trial.injected[f"tried again: {told.get('error')}"] += 1
            elif told.get("level") in {"error", "critical"} and event not in _READ_AGAIN:
                found[f"{event}: {told.get('error') or told.get('code') or str(told.get('exception', ''))[-80:]}"] += 1
    return found
