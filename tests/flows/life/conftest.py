"""A merchant's house in one process: the real steps, adapters, gates and sweeper, and the sandbox behind them."""

import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile

import msgspec
import pytest

from actors.documents.silent import QuietDocuments
from actors.tools import Tools
from adapters import registry
from domain.ledger_check import compare_ledgers
from domain.rules import RefundScope, WhenShort
from drills.queries import DRILLS
from infra.accounts.gates import Gates
from infra.accounts.pauses import Pauses
from infra.accounts.rules import rules_by_account, rules_of
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.rules import load_rules
from infra.config.settings import Engine, Guard, Limit, read_settings
from infra.engine.accounts import ensure_accounts
from infra.engine.event_loop import EventLoopThread
from infra.engine.gated_runner import GatedRunner
from infra.monitoring.invariants import find_breaches
from infra.process import failpoints
from infra.process.steps import STEPS
from infra.sweeper.bulk_replay import LetterDuties
from infra.sweeper.paused_accounts import GateDuty
from infra.sweeper.stuck_work import Sweeper
from ops.verbs import letters
from ops.verbs.stock import load_stock
from ops.views.ledgers import our_ledger
from sandbox import report
from sandbox.model import Sku, Stocked
from sandbox.spec import Dirt, WarehouseDelays
from sandbox.stream import plan
from sandbox.warehouse import Scan
from sandbox.world import World
from tests.flows.life.operators import LI, Operators
from tests.flows.life.outside import Floors, Parcels, PushingCourier
from tests.flows.life.seen import Seen
from workers.demo.run import their_ledger
from workers.demo.stage import Script, _write_settings, make_spec
from workers.demo.warehouses import UNTOLD, kind_and_options
from workers.guards import guarded
from workers.order_takers import note_order_takers_of
from workers.wiring import make_runners

ROUNDS_MAX = 40
SCANS = ("accepted", "packed", "handed_over")
# Lines in parts that a person has before them.
LOOKED_AT = """
SELECT l.line_id FROM fulfillment_line AS l JOIN fulfillment_order AS f ON f.id = l.fulfillment_order_id
WHERE l.quantity > 0 AND f.state <> 'closed'
  AND (EXISTS (SELECT FROM hold AS h WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL)
       OR EXISTS (SELECT FROM dead_letter AS d WHERE d.order_id = f.order_id AND d.closed_at IS NULL))
"""
SCRIPT = Script(
    orders=40,
    csv=None,
    seed=7,
    per_second=0.0,
    processes=1,
    threads=1,
    shops=1,
    dirt=Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0),
    delays=WarehouseDelays(accept_s=1e9),
    floors=UNTOLD,
)
SPEC = make_spec(SCRIPT)
SHELVES = {
    "BOTH-A": (60, 60),
    "BOTH-B": (60, 60),
    "FIRST": (60, 0),
    "SECOND": (0, 60),
    # Too few for all, and no location has three.
    "SCARCE": (2, 1),
}


def _shelves(locations):
    """Every SKU with its pieces at the two locations: orders of several lines need both, or find too little."""
    return tuple(
        Stocked(
            Sku(code, 600_000_000_000 + place, 4_900_000_000_000 + place, f"杯 {code}", "颜色:黑色", 1990),
            dict(zip((location.name for location in locations), levels, strict=True)),
        )
        for place, (code, levels) in enumerate(SHELVES.items())
    )


# No planned orders: those of the example are placed by its moves.
PLAN = replace(plan(SPEC), orders=(), catalogue=_shelves(plan(SPEC).locations))


class Killed(BaseException):
    """The end of the process, between two instructions."""


class HouseClock:
    """The time of everybody in the example. It moves by hand: each move is later than the one before."""

    def __init__(self):
        self.now = time.time() - 3600

    def monotonic(self):
        return self.now

    def utcnow(self):
        return datetime.fromtimestamp(self.now, tz=UTC)


def settings_of(folder, spec):
    """The demo's settings, with letters that come soon, and without waits that would pass in real time."""
    known = read_settings(_write_settings(folder, spec, SCRIPT, "http://here", plan(spec)), {})
    change = msgspec.structs.replace
    return change(
        known,
        engine=Engine(attempts_max=2, bug_attempts_max=2, crashes_max=2),
        guard=Guard(failures_max=1_000_000),
        shops=tuple(change(one, overlap_s=7200.0, poll_every_s=0.0) for one in known.shops),
        locations=tuple(change(one, poll_every_s=0.0) for one in known.locations),
    )


class Rung:
    """Bells that are only recorded: the test's worker looks for due work itself."""

    def __init__(self):
        self.keys = []

    def ring(self, keys):
        self.keys += keys


class LifeHarness(Operators):
    """One merchant with a sandbox of its own, in this process.

    `rules`: what the workers know. `floors`, `parcels`: what the warehouses and the courier do. `seen`: what became of
    the orders.
    """

    def __init__(self, db, event_loop, shared, known, surround):
        self.db, self.event_loop, self.shared, self.settings = db, event_loop, shared, known
        self.clock = HouseClock()
        self.world = World(SPEC, PLAN, self.clock.now)
        self.corridor, self.buyers = surround(self.world, self.clock, PLAN.shops[0].name)
        self.witness = self.corridor.witness
        self.rules = load_rules()
        self.floors, self.parcels = Floors(self.world), Parcels(self.world)
        self.seen = Seen(self, self.parcels)
        with db.transaction() as tx:
            tx.execute("SELECT wipe()")
            ensure_accounts(tx, self.settings)
        self.bells = bells = Rung()
        self.guard = self._gates(bells, self.clock)
        self.connected = self._tools(bells)
        self.tools = guarded(self.connected, self.guard)
        for location in self.settings.locations:
            load_stock(db, event_loop, location, self.tools.warehouse(location.name))
        self.hire()
        duty = GateDuty(db, shared, rules_of(known.guard, Limit()), self.clock, margin_s=7200.0, patience_s=86_400.0)
        self.sweeper = Sweeper(db, bells, self.clock, self.settings.engine.crashes_max, duty)
        self.duties = LetterDuties(db, bells)
        # The first window of a new shop ends before now.
        self.run("pull")

    def hire(self):
        """Workers, who know the rules of now."""
        runners = make_runners(self.tools, self.event_loop, 1_000_000)
        self.runners = {step: GatedRunner(runner, self.guard) for step, runner in runners.items()}

    def live_by(self, refund_asked_holds=RefundScope.ORDER, when_short=WhenShort.HOLD, max_parts=3):
        rules = self.rules
        review = replace(rules.review, refund_asked_holds=refund_asked_holds)
        split = replace(rules.routing.split, when_short=when_short, max_parts=max_parts)
        self.rules = replace(rules, review=review, routing=replace(rules.routing, split=split))
        self.tools = replace(self.tools, rules=self.rules)
        self.witness.scope = refund_asked_holds
        self.hire()

    def deal_with(self, floors, *, can_find=True, by_hand=False):
        """Warehouses that take orders, or do not, one for each location; `by_hand`: nothing becomes of a parcel unless
        the courier tells of it.
        """
        change = msgspec.structs.replace
        known = {one.name: one for one in self.settings.locations}
        finds = {} if can_find else {"can_find": "false"}
        for name, floor in zip(sorted(known), floors, strict=False):
            self.world.warehouses.works[name].floor = floor
            options = kind_and_options(floor).get("options", {})
            known[name] = change(known[name], options=options | (finds if options else {}))
        self.settings = change(self.settings, locations=tuple(known.values()))
        self.world.courier.parcels.by_hand = by_hand
        self.world.courier.parcels.is_nasty = by_hand
        self.connected = self._tools(self.bells)
        self.tools = guarded(self.connected, self.guard)
        note_order_takers_of(self.tools)
        self.hire()

    def _gates(self, bells, clock):
        rules = rules_by_account(self.settings)
        pauses = Pauses(self.db, clock, probe_s=60.0)
        return Gates(rules, self.shared, pauses, bells, clock, batches_max=3, share=1.0)

    def _tools(self, bells):
        door, clock, known = self.corridor, self.clock, self.settings
        return Tools(
            settings=known,
            db=self.db,
            bells=bells,
            clock=clock,
            rules=self.rules,
            platforms={one.account: registry.platform(one.platform).connect(one, door, clock) for one in known.shops},
            couriers={
                one.account: PushingCourier(registry.courier(one.courier).connect(one, door, clock), self.parcels)
                for one in known.couriers
            },
            notifiers={one.account: registry.channel(one.kind).connect(one, door, clock) for one in known.channels},
            warehouses={one.name: registry.warehouse(one.kind).connect(one, door, clock) for one in known.locations},
        )

    def rows(self, query, *values):
        with self.db.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    # The engine's side.

    def run(self, step):
        self.clock.now += 5
        for key in sorted(self.sweeper.gates.open_keys(self.sweeper.due())):
            if key.step == step:
                try:
                    self.runners[step].run(key)
                finally:
                    self.seen.look(self.clock.now)

    def run_all(self):
        for step in STEPS:
            self.run(step)

    def bring_order_to(self, wanted, *lines):
        self.buyers.order(*lines)
        for step in takewhile(lambda step: step != wanted, STEPS):
            self.run(step)
            if step == "label":
                self.send_booked()

    def die_at(self, point):
        """A worker dies at the point, if it comes there; what it left is freed as the sweeper does it."""
        failpoints.arm(msgspec.json.encode([{"at": point, "do": "kill"}]).decode())
        try:
            with suppress(Killed):
                self.run(point.partition(".")[0])
        finally:
            failpoints.arm("")
        self.sweeper.free_crashed()
        self.sweeper.free_expired()

    def pass_time(self):
        """Past every backoff, poll and deadline of a call; and the sweeper goes its round."""
        self.clock.now += 60
        with self.db.connection() as connection:
            connection.execute(DRILLS["pass_time"])
            connection.execute(DRILLS["end_calls"])
            connection.execute("UPDATE bulk SET next_at = now() - interval '1 second'")
        self.sweeper.sweep()
        self.duties.run()

    def ask_silent_warehouses(self):
        """As after an hour in which nothing was heard of any document."""
        QuietDocuments(self.db, self.bells, quiet_s=-1.0).tend()

    def wait_until(self, moment):
        """The looks at parcels as they are exactly then (unix seconds); for everything else no time passes.

        Postgres has a clock of its own: if a day passed for the example alone, no order of that day would be read.
        """
        later = HouseClock()
        later.now = max(moment, self.clock.now)
        with self.db.connection() as connection:
            connection.execute(DRILLS["pass_time"])
        guard = self._gates(self.bells, later)
        runners = make_runners(guarded(replace(self.connected, clock=later), guard), self.event_loop, 1_000_000)
        for key in sorted(key for key in self.sweeper.due() if key.step == "track"):
            GatedRunner(runners["track"], guard).run(key)
            self.seen.look(later.now)

    # Courier's and warehouse's side.

    def cancel_unrecorded(self, which):
        """The courier cancels a shipment that we booked and have not recorded: nobody could tell us.

        Of a waybill that a warehouse has booked the warehouse hears, and tells.
        """
        known = {row[0] for row in self.rows("SELECT waybill FROM shipment WHERE status = 'booked'")}
        unknown = [one for number, one in self.world.waybills.by_number.items() if number not in known]
        lost = [one for one in unknown if one.is_alive and not one.booking.document]
        if lost:
            lost[which % len(lost)].is_alive = False

    def scan(self, which, kind, *, is_other=False):
        """A warehouse that takes no orders scans a package, or (`is_other`) reads another number from it."""
        alive = [one for one in self.world.waybills.by_number.values() if one.is_alive and self._knows(one)]
        if not alive:
            return
        waybill = alive[which % len(alive)]
        if is_other:
            self.floors.scan_other_number(waybill, kind, self.clock.now)
        else:
            self._scan(waybill, kind)

    def _knows(self, waybill):
        return not self.floors.takes_orders(waybill.booking.location)

    def _scan(self, waybill, kind):
        if kind == "handed_over" and not waybill.is_collected:
            waybill.is_collected, waybill.collected_at = True, self.clock.now
        scans = self.world.warehouses.scans[waybill.booking.location]
        event_id = f"{waybill.booking.location}-{len(scans) + 1}"
        scans.append(Scan(event_id, kind, waybill.booking.reference, waybill.number, self.clock.now))

    # What is true.

    def breaches(self):
        with self.db.connection() as session:
            return [str(breach) for breach in find_breaches(session)]

    def doubled(self):
        """Packages with more than one living waybill."""
        waybills = self.world.waybills.by_number.values()
        ours = (one for one in waybills if one.is_alive and not one.booking.document)
        living = Counter(one.booking.reference.rpartition("-")[0] for one in ours)
        return [package for package, count in living.items() if count > 1]

    def forgotten(self):
        """Lines that were sold, are still wanted, are not written back, and have no hold or letter."""
        looked_at = {row[0] for row in self.rows(LOOKED_AT)}
        return [line for line in self.witness.untold() if line not in looked_at]

    def held_without_reason(self):
        """Orders that our rules hold for what the platform does not show."""
        return [
            (tid, code)
            for _, tid, code, _, step in self.open_holds()
            if step != "warehouse" and self.witness.shows_no(code, tid)
        ]

    def unaccounted(self):
        """Lines of ours of which some pieces are neither planned, cancelled nor shipped elsewhere."""
        return self.rows(
            "SELECT o.platform_order_id, l.line_id, l.quantity, l.planned, l.cancelled, l.elsewhere "
            "FROM order_line AS l JOIN orders AS o ON o.id = l.order_id "
            "WHERE l.fulfilled_by IN ('merchant', 'unknown') AND l.planned + l.cancelled + l.elsewhere <> l.quantity"
        )

    def told_twice(self):
        told = Counter((one.content["data"]["waybill"], one.content["type"]) for one in self.world.ledger.told.values())
        return [key for key, count in told.items() if count > 1]

    def comparison(self):
        return compare_ledgers(our_ledger(self.db), their_ledger(self))

    def read(self, _report):
        return report.full(self.world)

    # The end of an example.

    def settle(self):
        """All troubles end, operators do their work, the warehouse sends what it may: until nothing moves any more."""
        self.corridor.troubles.clear()
        for account in rules_by_account(self.settings):
            self.open(account)
        self.take_up_discarded()
        for _ in range(ROUNDS_MAX):
            before = self._standing()
            for row in self.rows("SELECT id FROM dead_letter WHERE closed_at IS NULL"):
                letters.replay_letters(self.db, [row[0]], LI)
            self.send_booked()
            self.pass_time()
            self.run_all()
            if self._standing() == before:
                return
        pytest.fail(f"still moving after {ROUNDS_MAX} rounds: {self._standing()}, {self._newest()}")

    def _standing(self):
        return self.rows(
            "SELECT (SELECT count(*) FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track')), "
            "(SELECT count(*) FROM event), (SELECT count(*) FROM raw_payload), "
            "(SELECT count(*) FROM dead_letter WHERE closed_at IS NULL), (SELECT count(voided_at) FROM shipment), "
            "(SELECT count(call_deadline) FROM shipment), (SELECT sum(planned) FROM order_line)"
        )

    def _newest(self):
        return self.rows("SELECT order_id, step, kind, facts FROM event ORDER BY id DESC LIMIT 8")

    def send_to_the_courier(self):
        """The warehouses that take no orders hand over what is booked and not held."""
        for (number,) in self.rows(
            "SELECT s.waybill FROM shipment AS s JOIN package AS p ON p.id = s.package_id "
            "JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id "
            "WHERE s.status = 'booked' AND f.state IN ('allocated', 'in_warehouse', 'packed') "
            "AND p.handed_over_at IS NULL"
        ):
            for kind in SCANS:
                if self._knows(waybill := self.world.waybills.by_number[number]):
                    self._scan(waybill, kind)

    def send_booked(self):
        """All warehouses hand over what they have, as they would have all the time."""
        self.send_to_the_courier()
        self.floors.finish(self.clock.now)


@pytest.fixture(autouse=True)
def _dies_in_the_story(monkeypatch):
    """A failpoint that kills ends the step in hand, not the process of the test."""

    def kill(_name, _tx):
        raise Killed

    monkeypatch.setitem(failpoints.ACTIONS, "kill", kill)


@pytest.fixture
def make_house(database, redis_url, event_loop, tmp_path, surround):
    with database.connection() as connection:
        connection.execute(
            "CREATE FUNCTION wipe() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE ("
            "SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' RESTART IDENTITY CASCADE' "
            "FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migration'); END $$"
        )
    known = settings_of(tmp_path, SPEC)
    with closing(connect_gates(redis_url.reveal())) as client:
        yield lambda: LifeHarness(database, event_loop, SharedGates(client), known, surround)


@pytest.fixture
def event_loop():
    with EventLoopThread() as event_loop:
        yield event_loop
