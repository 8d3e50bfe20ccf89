"""Retries failed write-backs for a person: the platform is asked first, then written to.

The step itself writes, under its own lease on the same work rows. So two people, or a person and a worker, never write
back one package at the same time, and a second round finds the waybill shown already.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from actors.writeback import STEP, Confirmed, NothingTold, WritebackStep
from adapters.ports import PlatformStatus
from domain.errors import Conflict, FulfilmentError, Refused
from domain.holds import HoldCode
from domain.order import Lane
from domain.reasons import Reason
from infra.engine.author import Author
from infra.engine.remote import Intended, Lease, NotCalledError, RemoteRunner, RemoteStep, call_each
from infra.engine.replay import replay
from infra.engine.results import Result, SubjectRef
from infra.process.clock import Clock
from infra.queue.keys import BellKey
from infra.tables.audit import Verb
from infra.tables.pool import Connection, Database
from infra.tables.take_over import watched_packages
from infra.tables.writebacks import OpenWriteBack, ask_again, is_confirmed, lock_writeback_work
from ops.verbs.change import Change, change
from ops.verbs.holds import release
from ops.views.looking import looking

# Seconds to wait for another command or worker that writes back the same package.
PATIENCE_S = 10.0
_LOOK_EVERY_S = 0.2


class PlatformAnswer(StrEnum):
    """What the platform said."""

    SHOWN = "shown"
    TOLD = "told"
    WOULD_TELL = "would_tell"
    REFUSED = "refused"
    ELSEWHERE = "elsewhere"
    NOT_REACHED = "not_reached"
    BUSY = "busy"
    HELD = "held"


# Values of `RetryResult.why`, beside the codes of errors.
ANOTHER_WAYBILL, UNEXPECTED = "another_waybill", "unexpected_error"
SUCCEEDED = frozenset({PlatformAnswer.SHOWN, PlatformAnswer.TOLD})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryResult:
    """One line of the result. `why`: what the platform refused, or why it was not reached."""

    order: str
    order_id: int
    package_id: int
    waybill: str
    shipped_at: datetime
    said: PlatformAnswer
    why: Reason | None = None


Show = Callable[[RetryResult], object]


@dataclass(frozen=True, slots=True)
class RetryRate:
    """At most `per_second` packages. `wait` sleeps, so that a test need not."""

    per_second: float
    clock: Clock
    wait: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A remote step whose answers are kept by subject."""

    step_asked: RemoteStep
    heard: dict[int, object]

    @property
    def step(self) -> str:
        return self.step_asked.step

    @property
    def call_s(self) -> float:
        return self.step_asked.call_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Any]:
        return self.step_asked.intend(tx, subject_ids)

    async def call(self, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
        return await self.step_asked.call(intents, lease)

    def record(self, tx: Connection, answered: Sequence[tuple[Any, Any]]) -> Sequence[Result]:
        self.heard.update((one.ref.subject_id, answer) for one, answer in answered)
        return self.step_asked.record(tx, answered)


def retry(
    runner: RemoteRunner, chosen: Sequence[OpenWriteBack], author: Author, pace: RetryRate, show: Show
) -> list[RetryResult]:
    """Put each back to work and tell its platform, unless it shows the waybill already; `show` sees each at once.

    Open holds and dead letters of these write-backs are closed in the author's name when the work goes
    back; the engine opens new ones for what fails again. Stopping half-way leaves the rest untouched. A package of a
    watched shop is refused with ``shop_watched``; of a held order its platform is only asked.
    """
    results: list[RetryResult] = []
    size = max(1, min(runner.batch_max, int(pace.per_second)))
    for start in range(0, len(chosen), size):
        began = pace.clock.monotonic()
        for one in _retry_some(runner, chosen[start : start + size], author, pace):
            results.append(one)
            show(one)
        spare_s = size / pace.per_second - (pace.clock.monotonic() - began)
        if start + size < len(chosen) and spare_s > 0:
            pace.wait(spare_s)
    return results


def _retry_some(
    runner: RemoteRunner, chosen: Sequence[OpenWriteBack], author: Author, pace: RetryRate
) -> Iterable[RetryResult]:
    heard: dict[int, object] = {}
    listening = replace(runner, step=RecordedStep(runner.step, heard))
    keys: dict[int, BellKey] = {}
    refused: dict[int, Refused] = {}
    for one in chosen:
        try:
            keys[one.package_id] = _put_back(runner.db, one, author)
        except Refused as error:
            refused[one.package_id] = error
    ends_at = pace.clock.monotonic() + PATIENCE_S
    waiting = [one for one in chosen if one.package_id in keys]
    while waiting:
        _run(listening, [(keys[one.package_id], one.package_id) for one in waiting])
        waiting = [one for one in waiting if not _is_over(runner.db, one, heard)]
        if not waiting or pace.clock.monotonic() > ends_at:
            break
        # Held by somebody else, or after another package of its order.
        pace.wait(_LOOK_EVERY_S)
    for one in chosen:
        if one.package_id in refused:
            yield _judged(one, refused[one.package_id])
        elif one in waiting:
            yield _result(one, PlatformAnswer.BUSY)
        else:
            # No answer of ours, but confirmed: a worker was faster.
            yield _judged(one, heard.get(one.package_id, Confirmed(written_now=False)))


def _put_back(db: Database, one: OpenWriteBack, author: Author) -> BellKey:
    """Make the write-back due at once, without hold or letter; after each of the transactions the engine could continue
    alone.
    """
    clear_the_way(db, one, author)
    with change(db, author) as made:
        return put_back(made, one)


def clear_the_way(db: Database, one: OpenWriteBack, author: Author) -> None:
    """Replay the dead letter of a write-back and release the holds that it opened, in the author's name.

    Raises Refused ``shop_watched``, as `put_back` does.
    """
    with looking(db) as tx:
        _refuse_watched(tx, one)
    if one.letter_id is not None:
        with change(db, author) as made:
            made.noted_below()
            replay(made.tx, [one.letter_id], author, again=True)
    for code in one.holds:
        try:
            release(db, one.order_id, HoldCode(code), author)
        except Conflict:
            # Another transaction released it a moment ago, which is the wanted result.
            continue


def put_back(made: Change, one: OpenWriteBack) -> BellKey:
    """Make a write-back due at once, the platform to be asked before it is told; the bell to ring.

    Raises Refused ``shop_watched``: the engine lets go on what may have been told, so it must not look like that.
    """
    _refuse_watched(made.tx, one)
    # Whoever tells the platform locks the work first, and the write-back behind it.
    lock_writeback_work(made.tx, one.package_id)
    due = ask_again(made.tx, one.package_id, one.lane, one.account)
    after = {"status": one.status, "asks_again": due is not None}
    made.note(Verb.WRITEBACK_RETRIED, f"package/{one.package_id}", {"status": one.status}, after)
    return BellKey("writeback", *(due or (one.lane, one.account)))


def _refuse_watched(tx: Connection, one: OpenWriteBack) -> None:
    if _watched(tx, [one]):
        raise _shop_watched(one)


def _watched(tx: Connection, chosen: Sequence[OpenWriteBack]) -> set[int]:
    """Packages of shops that are only watched now."""
    found = watched_packages(tx, STEP.name, STEP.works_in, [one.package_id for one in chosen])
    return {one.subject_id for one in found}


def _shop_watched(one: OpenWriteBack) -> Refused:
    return Refused("shop_watched", facts={"shop": one.account})


def _run(runner: RemoteRunner, due: Iterable[tuple[BellKey, int]]) -> None:
    by_key: dict[BellKey, list[int]] = {}
    for key, package_id in due:
        by_key.setdefault(key, []).append(package_id)
    for key, package_ids in by_key.items():
        runner.run_named(key, package_ids)


def _is_over(db: Database, one: OpenWriteBack, heard: Mapping[int, object]) -> bool:
    if one.package_id in heard and not isinstance(heard[one.package_id], NotCalledError):
        return True
    with looking(db) as tx:
        return is_confirmed(tx, one.package_id)


def _judged(one: OpenWriteBack, answer: object) -> RetryResult:
    match answer:
        case Confirmed(written_now=written_now):
            return _result(one, PlatformAnswer.TOLD if written_now else PlatformAnswer.SHOWN)
        case NothingTold():
            return _result(one, PlatformAnswer.HELD)
        case Conflict():
            return _result(one, PlatformAnswer.ELSEWHERE, reason_of(answer))
        case Refused():
            return _result(one, PlatformAnswer.REFUSED, reason_of(answer))
        case _:
            return _result(one, PlatformAnswer.NOT_REACHED, reason_of(answer))


def preview(runner: RemoteRunner, chosen: Sequence[OpenWriteBack], show: Show) -> list[RetryResult]:
    """What `retry` would do: the platforms are asked, and nothing is written or changed."""
    assert isinstance(runner.step, WritebackStep)
    tools = runner.step.tools
    results: list[RetryResult] = []
    with looking(runner.db) as tx:
        watched = _watched(tx, chosen)
    for one in chosen:
        if one.package_id in watched:
            results.append(_judged(one, _shop_watched(one)))
            show(results[-1])
    chosen = [one for one in chosen if one.package_id not in watched]
    for start in range(0, len(chosen), runner.batch_max):
        asked = [
            AskedWriteback(SubjectRef(one.package_id, Lane(one.lane)), one)
            for one in chosen[start : start + runner.batch_max]
        ]

        async def ask(each: AskedWriteback) -> PlatformStatus:
            return await tools.platform(each.one.account).status(each.one.platform_order_id)

        answers = runner.event_loop.run(
            call_each(
                asked,
                ask,
                at_once=tools.settings.engine.outside_concurrency,
                start_before=float("inf"),
                now=runner.clock.monotonic,
            )
        )
        for each in asked:
            results.append(_foreseen(each.one, answers[each.one.package_id]))
            show(results[-1])
    return results


@dataclass(frozen=True, slots=True)
class AskedWriteback:
    """A write-back in the form that `call_each` needs."""

    ref: SubjectRef
    one: OpenWriteBack


def _foreseen(one: OpenWriteBack, answer: PlatformStatus | Exception) -> RetryResult:
    if isinstance(answer, Exception):
        return _result(one, PlatformAnswer.NOT_REACHED, reason_of(answer))
    if any(shipment.waybill == one.waybill for shipment in answer.shipments):
        return _result(one, PlatformAnswer.SHOWN)
    if answer.shipments:
        return _result(one, PlatformAnswer.ELSEWHERE, Reason(ANOTHER_WAYBILL))
    return _result(one, PlatformAnswer.HELD if one.is_held else PlatformAnswer.WOULD_TELL)


def _result(one: OpenWriteBack, said: PlatformAnswer, why: Reason | None = None) -> RetryResult:
    return RetryResult(
        order=one.order,
        order_id=one.order_id,
        package_id=one.package_id,
        waybill=one.waybill,
        shipped_at=one.shipped_at,
        said=said,
        why=why,
    )


def reason_of(error: object) -> Reason:
    """An error of ours by its code, with its message, which carries no personal data; a foreign one by its name."""
    if isinstance(error, FulfilmentError):
        return Reason(error.code, {**error.facts, "message": error.message})
    return Reason(UNEXPECTED, {"type": type(error).__name__})
