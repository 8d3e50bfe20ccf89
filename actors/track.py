"""track: ask couriers where parcels are that have left, and move their orders on, never back.

One piece of work for each parcel, from its hand-over until its order is completed or the parcel is given up. A look
that brings nothing, or fails, is followed by the next one: a courier's silence is no failure and no dead letter.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from actors.parcels.events import Told, follow_up
from actors.tools import Tools
from adapters.ports import Courier, Tracked, TrackEvent
from domain.errors import FulfilmentError, Throttled
from domain.gates import PAUSED
from domain.outcomes import Done, Later
from domain.states import FINAL_STATES, Cause, State
from domain.steps import Step, Subject
from domain.tracking import COMPLETED_AFTER, is_completed, way_on
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease, NotCalledError
from infra.engine.results import Failed, Finished, Result, SubjectRef, ref_of
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.pool import Connection
from infra.tables.tracking import ParcelDelivery, TrackedRow, deliveries, load_phones, load_tracked
from infra.telemetry.log import get_logger

STEP = Step(
    name="track",
    does="ask the courier where a parcel is, until it is delivered",
    subject=Subject.PACKAGE,
    is_remote=True,
    works_in=frozenset(State),
    leads_to=("notify",),
    group="tell",
    repeats=True,
    failpoints=("answered", "decide"),
    # What a courier does not tell must never stop an order that has left.
    stops_order=False,
)

# Between two looks at a delivered order whose courier is not asked any more.
_REST_S = 3_600.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrackedParcel:
    """A parcel to ask about. `phone`: of its sender, else of its receiver; personal data, for the call only."""

    ref: SubjectRef
    row: TrackedRow
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TrackStep:
    """Asks one courier account about parcels, as many in one call as the courier takes."""

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        return self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[TrackedParcel]:
        rows = load_tracked(tx, subject_ids)
        now = self.tools.clock.utcnow()
        ready = deliveries(tx, [row.fulfillment_order_id for row in rows if _may_be_completed(row, now)])
        finished: list[Result] = []
        asked: list[TrackedRow] = []
        for row in rows:
            ref = ref_of(row, row.package_id)
            courier = self.tools.couriers.get(row.account)
            if ref.state in FINAL_STATES:
                finished.append(Finished(ref, Done(facts={"left_alone": row.state})))
            elif courier is None or not courier.can_track:
                finished.append(_untracked(ref, row, ready.get(row.fulfillment_order_id), now))
            elif (delivery := ready.get(row.fulfillment_order_id)) and delivery.has_case:
                # Nothing is to be asked: the order waits for whoever deals with its case.
                finished.append(Finished(ref, Later("case_open", after_s=self.tools.settings.tracking.slow_s)))
            else:
                asked.append(row)
        phones = load_phones(tx, [row.package_id for row in asked if row.location not in self._senders])
        return Intended(
            [TrackedParcel(ref_of(row, row.package_id), row, self._phone(row, phones)) for row in asked], finished
        )

    @property
    def _senders(self) -> Mapping[str, Any]:
        return self.tools.directory.locations

    def _phone(self, row: TrackedRow, phones: Mapping[int, str]) -> str:
        """Of the sender, as the label says; a person's number is used only where the location is known no more."""
        location = self.tools.directory.locations.get(row.location)
        return location.sender.phone if location is not None else phones.get(row.package_id, "")

    async def call(self, intents: Sequence[TrackedParcel], lease: Lease) -> Mapping[int, Any]:
        gate = asyncio.Semaphore(self.tools.settings.tracking.at_once)
        answers: dict[int, Any] = {}

        async def ask(courier: Courier, parcels: Sequence[TrackedParcel]) -> None:
            async with gate:
                answers.update(await self._ask(courier, parcels, lease))

        await asyncio.gather(*(ask(courier, parcels) for courier, parcels in self._calls(intents)))
        return answers

    def _calls(self, intents: Iterable[TrackedParcel]) -> list[tuple[Courier, list[TrackedParcel]]]:
        """Parcels of one account and one phone, as many together as one call may name."""
        alike: dict[tuple[str, str], list[TrackedParcel]] = {}
        for one in intents:
            alike.setdefault((one.row.account, one.phone), []).append(one)
        calls: list[tuple[Courier, list[TrackedParcel]]] = []
        for (account, _), parcels in alike.items():
            courier = self.tools.courier(account)
            size = max(1, courier.track_max)
            calls += [(courier, parcels[start : start + size]) for start in range(0, len(parcels), size)]
        return calls

    async def _ask(self, courier: Courier, parcels: Sequence[TrackedParcel], lease: Lease) -> dict[int, Any]:
        ids = [one.ref.subject_id for one in parcels]
        if lease.is_draining() or self.tools.clock.monotonic() > lease.ends_at - self.call_s:
            return {id_: NotCalledError() for id_ in ids}
        try:
            answer = await courier.track([Tracked(one.row.waybill, one.phone) for one in parcels])
        except Exception as error:  # noqa: BLE001 - what a call raises is the answer for all that it asked about
            return dict.fromkeys(ids, error)
        for id_ in ids:
            failpoint("track.answered", id_)
        return {one.ref.subject_id: answer.get(one.row.waybill, ()) for one in parcels}

    def record(self, tx: Connection, answered: Sequence[tuple[TrackedParcel, Any]]) -> Sequence[Result]:
        told: list[Told] = []
        results: list[Result] = []
        for one, answer in answered:
            if isinstance(answer, Exception) and _is_engines(answer):
                results.append(Failed(one.ref, answer))
            else:
                told.append(Told(one.ref, one.row, _events(one, answer), has_answered=isinstance(answer, tuple)))
        return [*results, *follow_up(tx, self.tools, STEP.name, told)]


@actor(STEP, TrackStep)
def track(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _may_be_completed(row: TrackedRow, now: datetime) -> bool:
    return row.delivered_at is not None and is_completed(row.delivered_at, now)


def _untracked(ref: SubjectRef, row: TrackedRow, delivery: ParcelDelivery | None, now: datetime) -> Result:
    """Nobody asks this courier any more: the hand-over counts as its collection, as it does for all such couriers."""
    assert ref.state is not None
    if ref.state is State.DELIVERED and row.delivered_at is not None:
        if delivery is not None and delivery.delivered_at is not None and not delivery.has_case:
            return Finished(ref, Done(State.COMPLETED), Cause.TIMER)
        left_s = (row.delivered_at + COMPLETED_AFTER - now).total_seconds()
        return Finished(ref, Later("courier_not_asked", after_s=max(left_s, _REST_S)))
    path = way_on(ref.state, is_collected=True, is_delivered=False)
    return Finished(ref, Done(path[-1] if path else None, {"left_alone": "courier_not_asked"}), Cause.WAREHOUSE)


def _is_engines(error: Exception) -> bool:
    """Whether the engine knows best when the call may be made again, or the error is a defect of ours."""
    if not isinstance(error, FulfilmentError):
        return True
    return isinstance(error, Throttled) or PAUSED in error.facts


def _events(one: TrackedParcel, answer: object) -> tuple[TrackEvent, ...]:
    if isinstance(answer, tuple):
        return answer
    assert isinstance(answer, FulfilmentError)
    log.warning("parcel_unread", package_id=one.ref.subject_id, code=answer.code, error=answer.message)
    return ()
