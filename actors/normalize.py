"""normalize: a raw payload becomes a canonical order, or changes the one that is there, or is quarantined."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from actors.orders.listings import fill_skus
from actors.orders.parts import WAIT_FOR_UPGRADE
from actors.orders.update_order import amend
from actors.orders.watch_decisions import decide_watched
from actors.tools import Tools
from adapters import registry
from domain.deadlines import ship_by, ship_from
from domain.errors import Poison
from domain.normalize import InitialState, initial_state
from domain.order import FulfilledBy, Order
from domain.outcomes import Done, Hold, Later
from domain.states import Cause, State
from domain.steps import Milestone, Step, Subject
from domain.take_over import Mode, TakeOver
from infra.engine.actor import Runner, actor
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Failed, Finished, NewWork, Result, SubjectRef, decide_each
from infra.queue.keys import BellKey
from infra.tables.gaps import LostContent, ask_again
from infra.tables.orders import admit, existing, line_rows, order_row
from infra.tables.payloads import load_body, load_payloads
from infra.tables.pool import Connection
from infra.tables.progress import read_payloads
from infra.tables.rows import Row

STEP = Step(
    name="normalize",
    does="read a stored payload into one canonical order, whose sums must add up",
    subject=Subject.RAW_PAYLOAD,
    leads_to=("reserve", "review", "stop"),
    group="order",
    begins=Milestone.STORED,
    done=read_payloads,
)
# An earlier version did not ask the platform who fulfils the order. The merchant ships most such orders, so they do not
# wait for the end of all earlier workers: the order is fetched again, or an earlier worker handles it as it handles all
# orders.
_ASKED_AGAIN = Later("earlier_version_runs", after_s=5.0)
# Bodies of a batch are read together up to this many bytes, the smallest first; larger bodies are read one by one.
BATCH_BYTES = 1024 * 1024
LARGE_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A stored payload that is to become an order. `body` is None where it is too large to come with the others.

    `is_forgotten`: its order was purged or erased, so its body does not come at all. `take_over`: of its shop.
    """

    ref: SubjectRef
    platform: str
    shop: str
    lane_by: str | None
    received_at: str
    take_over: TakeOver
    size: int
    is_forgotten: bool
    body: bytes | None


@dataclass(frozen=True, slots=True)
class ReadPayload:
    """A payload that could be read."""

    raw: StoredPayload
    order: Order

    @property
    def ref(self) -> SubjectRef:
        return self.raw.ref


@dataclass(frozen=True, slots=True)
class NormalizeStep:
    """Reads payloads by their platform's adapter; a payload that cannot be read becomes a dead letter.

    A batch is bounded by bytes as well as by count: large bodies are read one at a time in the whole process, and what
    is over `LARGE_BYTES_MAX` of them in one batch is left due.
    """

    tools: Tools
    step: str = STEP.name
    large: threading.Lock = field(default_factory=threading.Lock)

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        now, later = _in_turn(_load(tx, subject_ids))
        incoming: list[ReadPayload] = []

        def read(raw: StoredPayload) -> Result:
            if raw.is_forgotten:
                raise Poison("order_forgotten", "its order was purged or erased, so nothing of it is read again")
            if raw.body is not None:
                return take(raw, raw.body)
            # No database lock is held here that the present owner of this lock could need, so there is no deadlock.
            with self.large:
                return take(raw, load_body(tx, raw.ref.subject_id))

        def take(raw: StoredPayload, body: bytes) -> Result:
            order = registry.platform(raw.platform).read_order(body, raw.shop)
            due = ship_by(order, self.tools.rules)
            shop = self.tools.directory.shops.get(order.key.account)
            start = ship_from(order, due, presale_waits=shop is not None and shop.presale_waits)
            timed = replace(order, ship_by=due, ship_from=start)
            incoming.append(ReadPayload(replace(raw, body=None), timed))
            return Finished(raw.ref, Done())

        unread = [result for result in decide_each(STEP.name, now, read) if isinstance(result, Failed)]
        left = [Finished(raw.ref, Later("batch_too_large")) for raw in later]
        return [*unread, *left, *self._store(tx, incoming)]

    def _store(self, tx: Connection, incoming: Sequence[ReadPayload]) -> list[Result]:
        orders = fill_skus(tx, [payload.order for payload in incoming])
        incoming = [replace(payload, order=order) for payload, order in zip(incoming, orders, strict=True)]
        # Of several contents of one order in a batch only the newest counts.
        newest = {payload.order.key: payload for payload in sorted(incoming, key=_changed_at)}
        overtaken = [payload for payload in incoming if newest[payload.order.key] is not payload]
        known = existing(tx, list(newest)) if newest else {}
        new = [payload for key, payload in newest.items() if key not in known]
        changed = [(known[key], payload) for key, payload in newest.items() if key in known]
        stale = [payload for (_, changed_at), payload in changed if payload.order.updated_at < changed_at]
        fresh = [
            (order_id, payload) for (order_id, changed_at), payload in changed if payload.order.updated_at >= changed_at
        ]
        _ask_again(tx, [*new, *(payload for _, payload in fresh)])
        results = [
            *(Finished(payload.ref, Done(facts={"repeated": True})) for payload in (*overtaken, *stale)),
            *self._admit(tx, new),
            *self._amend(tx, fresh),
        ]
        self._decide_watched(tx, incoming, results)
        return results

    def _amend(self, tx: Connection, fresh: Sequence[tuple[int, ReadPayload]]) -> list[Result]:
        newer = [(order_id, payload.ref, payload.order) for order_id, payload in fresh]
        take_overs = {payload.order.key.account: payload.raw.take_over for _, payload in fresh}
        return amend(tx, STEP.name, newer, self.tools.rules, take_overs)

    def _decide_watched(self, tx: Connection, incoming: Iterable[ReadPayload], results: Iterable[Result]) -> None:
        """What would be done with orders of shops that are only watched; no statement where no shop is."""
        watched = {payload.ref.subject_id for payload in incoming if payload.raw.take_over.is_watched}
        if watched:
            refs = [result.ref for result in results]
            ids = {one.order_id for one in refs if one.order_id is not None and one.subject_id in watched}
            decide_watched(tx, self.tools, ids)

    def _admit(self, tx: Connection, new: Sequence[ReadPayload]) -> list[Result]:
        if not new:
            return []
        late: list[Result] = []
        if any(not _is_one_part(payload.order) for payload in new) and has_worker_without_parts(tx):
            late = [
                Finished(payload.ref, _wait_of(payload.order)) for payload in new if not _is_one_part(payload.order)
            ]
            new = [payload for payload in new if _is_one_part(payload.order)]
        intakes = {payload.ref.subject_id: initial_state(payload.order, payload.raw.take_over) for payload in new}
        orders = [_admission(payload, intakes[payload.ref.subject_id]) for payload in new]
        lines = [
            {"raw_payload_id": payload.ref.subject_id, **line} for payload in new for line in line_rows(payload.order)
        ]
        admitted = admit(tx, orders, lines)
        results: list[Result] = late
        for payload in new:
            ids = admitted.get(payload.ref.subject_id)
            if ids is None:
                # Another transaction stored this order a moment ago: read it again, the payload now changes an existing
                # order.
                results.append(Finished(payload.ref, Later("admitted_elsewhere")))
            else:
                results.append(_admitted(payload, intakes[payload.ref.subject_id], *ids))
        return results


@actor(STEP, NormalizeStep)
def normalize(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _ask_again(tx: Connection, incoming: Sequence[ReadPayload]) -> None:
    """A payload that does not say who fulfils it may come from a version that did not request those fields, so the
    order is fetched again.

    The same content is not stored twice, so this ends after one round.
    """
    unknown = [payload for payload in incoming if payload.order.fulfilled_by is FulfilledBy.UNKNOWN]
    if unknown:
        orders = [payload.order for payload in unknown]
        ask_again(tx, [LostContent(one.key.account, one.key.platform_order_id, one.updated_at) for one in orders])


def _wait_of(order: Order) -> Later:
    """How long an order waits that a worker of an earlier version would handle wrongly."""
    return _ASKED_AGAIN if order.fulfilled_by is FulfilledBy.UNKNOWN else WAIT_FOR_UPGRADE


def _is_one_part(order: Order) -> bool:
    """Whether a worker that knows no parts would handle the order correctly: all lines are ours, and nothing has been
    shipped.
    """
    return all(line.fulfilled_by is FulfilledBy.MERCHANT and not line.shipped for line in order.lines)


def _changed_at(incoming: ReadPayload) -> datetime:
    return incoming.order.updated_at


def _load(tx: Connection, subject_ids: Sequence[int]) -> list[StoredPayload]:
    return [
        StoredPayload(
            SubjectRef(row.id, row.lane),
            row.platform,
            row.shop,
            row.lane_by,
            row.received_at.isoformat(),
            TakeOver(row.joined_at, row.kept_before, row.mode == Mode.WATCH),
            row.size,
            row.is_forgotten,
            row.body,
        )
        for row in load_payloads(tx, subject_ids, BATCH_BYTES)
    ]


def _in_turn(raws: Sequence[StoredPayload]) -> tuple[list[StoredPayload], list[StoredPayload]]:
    """What is read now, and what is left due; of large bodies at least one is read."""
    now: list[StoredPayload] = []
    later: list[StoredPayload] = []
    size = 0
    for raw in raws:
        if raw.body is None and size and size + raw.size > LARGE_BYTES_MAX:
            later.append(raw)
            continue
        size += raw.size if raw.body is None else 0
        now.append(raw)
    return now, later


def _admission(incoming: ReadPayload, intake: InitialState) -> Row:
    return {
        **order_row(incoming.order),
        "raw_payload_id": incoming.ref.subject_id,
        "received_at": incoming.raw.received_at,
        "lane": incoming.ref.lane,
        "lane_by": incoming.raw.lane_by,
        "state": intake.state,
        "resume_state": State.PAID if intake.state is State.ON_HOLD else None,
        "closed_reason": intake.reason if intake.state is State.CLOSED else None,
    }


def _admitted(incoming: ReadPayload, intake: InitialState, order_id: int, fulfillment_order_id: int) -> Finished:
    raw = incoming.ref
    ref = SubjectRef(raw.subject_id, raw.lane, order_id, fulfillment_order_id, None, intake.state)
    # A closed order needs no stock, and neither does an order that somebody else has shipped.
    wants = intake.state in {State.PENDING_PAYMENT, State.PAID} and incoming.order.is_ours
    follow = (NewWork("reserve", fulfillment_order_id, raw.lane, shop=incoming.order.key.account),) if wants else ()
    return Finished(
        ref,
        Done(facts={"state": intake.state, "lane": raw.lane, "reason": intake.reason}),
        Cause.PLATFORM,
        holds=tuple(Hold(finding.code, finding.facts) for finding in intake.holds),
        follow=follow,
    )
