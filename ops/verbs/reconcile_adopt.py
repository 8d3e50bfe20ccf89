"""Makes a courier's waybill ours, or notes that we had one cancelled. The label step adopts, without booking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.label import Label
from adapters.ports import Waybill
from domain.errors import Conflict
from domain.holds import HoldCode, waybill_facts
from domain.order import Lane, OrderKey
from domain.outcomes import Hold
from domain.reconcile import Found
from domain.references import reference
from domain.states import State
from infra.engine.author import Author
from infra.engine.remote import Intended, Lease, NotCalledError, RemoteRunner, call_each
from infra.engine.replay import replay
from infra.engine.results import Place, Result
from infra.engine.write_outcomes import Writes, add_hold, write
from infra.process.steps import STEPS
from infra.queue.keys import BellKey
from infra.tables.audit import Verb
from infra.tables.orders import rows_json
from infra.tables.pool import Connection, Database
from infra.tables.shipments import SHIPMENTS
from ops.verbs.change import change
from ops.verbs.holds import release
from ops.verbs.writeback_retry import RECONCILE
from ops.views.looking import looking

_LABEL_MAY_ACT = STEPS["label"].works_in | {State.ON_HOLD}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageHere:
    """A package as we have it. `generation` and `waybill` are the live shipment's; `is_calling`: label is at it."""

    id: int
    number: int
    courier: str
    account: str
    fulfillment_order_id: int
    state: str
    lane: str
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    generation: int | None
    waybill: str | None
    known_generation: int
    is_calling: bool

    @property
    def order(self) -> str:
        return f"{self.platform}/{self.shop}/{self.platform_order_id}"

    def reference(self, generation: int) -> str:
        return reference(OrderKey(self.platform, self.shop, self.platform_order_id), self.number, generation)


@dataclass(frozen=True, slots=True)
class AskOnly:
    """The label step with its booking taken out: what the courier has is recorded, what it has not stays as it was."""

    label: Label
    step: str = "label"

    @property
    def call_s(self) -> float:
        return self.label.call_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Any]:
        return self.label.intend(tx, subject_ids)

    async def call(self, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
        courier = self.label.tools.courier(lease.key.account)

        async def ask(one: Any) -> Waybill:  # noqa: ANN401 - label's own intent, which nobody else reads
            found = await courier.find(one.reference)
            if found is None or not found.alive:
                raise NotCalledError
            return found

        return await call_each(
            intents,
            ask,
            at_once=self.label.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.label.tools.clock.monotonic,
        )

    def record(self, tx: Connection, answered: Sequence[tuple[Any, Any]]) -> Sequence[Result]:
        return self.label.record(tx, answered)


def adopt(runner: RemoteRunner, package: PackageHere, keep: Found, author: Author) -> bool:
    """Record `keep` as the package's booked waybill, with all that follows a label; False: not now.

    Not now is when a worker labels it at this moment, or when a hold of another kind keeps label from
    acting: then the intent is ours, and label asks by it as soon as it may.
    """
    assert isinstance(runner.step, Label)
    with change(runner.db, author) as made:
        row = made.tx.execute(RECONCILE["lock_label"], {"package_id": package.id}).fetchone()
        if row is not None and row[0]:
            made.unchanged()
            return False
        key = _intend(made.tx, package, keep)
        before = {"generation": package.generation, "is_booked": package.waybill is not None}
        after = {"generation": keep.generation, "is_booked": key is None}
        made.note(Verb.WAYBILL_ADOPTED, f"package/{package.id}", before, after)
    if key is not None:
        _clear_the_way(runner.db, package, author)
        replace(runner, step=AskOnly(runner.step)).run_named(key, [package.id])
    with looking(runner.db) as tx:
        booked = tx.execute(RECONCILE["booked_waybill"], {"package_id": package.id}).fetchone()
    return booked is not None and booked[0] == keep.waybill


def _intend(tx: Connection, package: PackageHere, keep: Found) -> BellKey | None:
    """Our intent becomes the generation that lives; the key of label's work, if label is to record it."""
    named = {
        "package_id": package.id,
        "generation": keep.generation,
        "reference": package.reference(keep.generation),
        "courier": package.courier,
    }
    tx.execute(RECONCILE["void_others"], named)
    tx.execute(RECONCILE["intend_found"], named)
    if package.state not in _LABEL_MAY_ACT:
        # Past label already: only the number was wrong.
        rows = rows_json([{"reference": named["reference"], "waybill": keep.waybill, "sort_code": ""}])
        tx.execute(SHIPMENTS["book_shipments"], {"rows": rows})
        if package.state == State.CLOSED:
            _show_unwanted(tx, package, keep)
        return None
    due = {"package_id": package.id, "lane": Lane(package.lane), "account": package.account}
    row = tx.execute(RECONCILE["label_found"], due).fetchone()
    assert row is not None
    return BellKey("label", *row)


def _show_unwanted(tx: Connection, package: PackageHere, keep: Found) -> None:
    place = Place(package.id, Lane(package.lane), package.order_id, package.fulfillment_order_id, package.id)
    writes = Writes()
    hold = Hold(HoldCode.UNWANTED_WAYBILL, waybill_facts(package.courier, keep.waybill))
    add_hold("label", place, hold, writes)
    write(tx, "label", writes)


def _clear_the_way(db: Database, package: PackageHere, author: Author) -> None:
    """Close what label itself had stopped with; the waybill it asked a person for is found."""
    with change(db, author) as made:
        made.noted_below()
        tx = made.tx
        letters = [row[0] for row in tx.execute(RECONCILE["label_letters"], {"package_id": package.id}).fetchall()]
        if letters:
            replay(tx, letters, author, again=True)
        held = {"fulfillment_order_id": package.fulfillment_order_id}
        codes = [row[0] for row in tx.execute(RECONCILE["label_holds"], held).fetchall()]
    for code in codes:
        try:
            release(db, package.order_id, HoldCode(code), author)
        except Conflict:
            # Released by somebody else a moment ago.
            continue


def note_voided(db: Database, package: PackageHere, voided: Found, author: Author) -> None:
    """Write down that a generation was cancelled at the courier, so that it is never booked again."""
    named = {
        "package_id": package.id,
        "generation": voided.generation,
        "reference": package.reference(voided.generation),
        "courier": package.courier,
        "waybill": voided.waybill,
    }
    with change(db, author) as made:
        made.tx.execute(RECONCILE["note_voided"], named)
        generation = {"generation": voided.generation}
        made.note(
            Verb.WAYBILL_VOIDED,
            f"package/{package.id}",
            {**generation, "status": "booked"},
            {**generation, "status": "voided"},
        )
