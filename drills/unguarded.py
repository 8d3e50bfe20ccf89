"""Guards that a control switches off, to show the harm they keep away. Only in a worker that was forked for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

import domain.gates
import infra.accounts.gates
from actors import label, normalize
from actors import stop as stop_step
from actors.documents.calls import DocumentCalls, Undispatched
from actors.orders import intake
from actors.parcels.waybill_calls import Unlabelled, WaybillCalls
from adapters import payload
from domain.gates import About
from domain.stops import Rung, RungKind, StopFacts, StopStatus
from infra.engine import remote
from infra.process.byte_room import ByteRoom
from infra.process.steps import STEPS
from infra.sweeper.stuck_work import Sweeper
from infra.tables.claims import lock_failed
from infra.tables.packages import UnlabelledRow, load_unlabelled
from infra.tables.pool import Connection


class Guard(StrEnum):
    """`REFUND_CHECK`: the platform is asked before a booking. `TOKEN_CHECK`: a save needs the lease it began with.

    `DEATH_WATCH`: what a dead process held is given back at once. `BYTE_BOUND`: batches are bounded by bytes.
    `WHOSE_FAULT`: an error in a call about one subject is not its account's. `LIMITS`: numbers that come from outside
    have limits. `STOPPED_ASKED`: a booking that may have happened is asked about also when its order was stopped
    meanwhile. `DOCUMENT_ASKED`: a warehouse is asked what it has before a document may be placed a second time.
    `STOP_PROOF`: a stop ends only with the word of those who have the goods.
    """

    REFUND_CHECK = "refund_check"
    TOKEN_CHECK = "token_check"  # noqa: S105 - a guard's name
    DEATH_WATCH = "death_watch"
    BYTE_BOUND = "byte_bound"
    WHOSE_FAULT = "whose_fault"
    LIMITS = "limits"
    STOPPED_ASKED = "stopped_asked"
    DOCUMENT_ASKED = "document_asked"
    STOP_PROOF = "stop_proof"


def switch_off(guards: Iterable[Guard]) -> None:
    """For the rest of this process."""
    for guard in guards:
        _OFF[guard]()


def _buy_labels_unasked() -> None:
    async def ask_and_ignore(calls: WaybillCalls, one: Unlabelled) -> None:
        await calls.tools.platform(one.order.key.account).fetch(one.order.key.platform_order_id)

    WaybillCalls._check = ask_and_ignore  # type: ignore[method-assign, assignment]  # noqa: SLF001 - the harm itself


def _save_under_any_lease() -> None:
    def lock_any(tx: Connection, step: str, subject_ids: Sequence[int], _token: UUID) -> list[int]:
        found = [lock_failed(tx, step, subject_id) for subject_id in sorted(subject_ids)]
        return [row.subject_id for row in found if row is not None]

    vars(remote)["lock_leased"] = lock_any


def _see_no_death() -> None:
    def look_away(_sweeper: Sweeper) -> None:
        """Nobody has died."""

    Sweeper.free_crashed = look_away  # type: ignore[method-assign, assignment]  # the harm itself


def _count_no_bytes() -> None:
    boundless = 2**60
    vars(intake).update(STORE_BYTES=boundless, INSERT_MAX_BYTES=boundless)
    vars(normalize).update(BATCH_BYTES=boundless, LARGE_BYTES_MAX=boundless)
    ByteRoom.expected = lambda _room: 0  # type: ignore[method-assign, assignment]  # the harm itself


def _blame_accounts() -> None:
    def as_if_about_nothing(_error: BaseException, _about: About) -> None:
        """No call is about a subject."""

    for module in (domain.gates, infra.accounts.gates):
        vars(module)["charge_of"] = as_if_about_nothing


def _read_without_limits() -> None:
    """As a plain reader does, which takes what the libraries take."""
    vars(payload)["_decoder"] = msgspec.json.Decoder(float_hook=Decimal)


def _leave_the_stopped_alone() -> None:
    works_in = STEPS["label"].works_in

    def forget(tx: Connection, package_ids: Sequence[int]) -> list[UnlabelledRow]:
        rows = load_unlabelled(tx, package_ids)
        return [row if row.state in works_in else replace(row, is_asked_about=False) for row in rows]

    vars(label)["load_unlabelled"] = forget


def _place_unasked() -> None:
    async def ask_nobody(_calls: DocumentCalls, _one: Undispatched) -> None:
        """As if the warehouse had nothing."""

    DocumentCalls._ask = ask_nobody  # type: ignore[method-assign, assignment]  # noqa: SLF001 - the harm itself


def _believe_stops() -> None:
    def end_at_once(_facts: StopFacts) -> Rung:
        return Rung(RungKind.END, end=StopStatus.STOPPED)

    vars(stop_step)["next_rung"] = end_at_once


_OFF: Mapping[Guard, Callable[[], None]] = {
    Guard.REFUND_CHECK: _buy_labels_unasked,
    Guard.TOKEN_CHECK: _save_under_any_lease,
    Guard.DEATH_WATCH: _see_no_death,
    Guard.BYTE_BOUND: _count_no_bytes,
    Guard.WHOSE_FAULT: _blame_accounts,
    Guard.LIMITS: _read_without_limits,
    Guard.STOPPED_ASKED: _leave_the_stopped_alone,
    Guard.DOCUMENT_ASKED: _place_unasked,
    Guard.STOP_PROOF: _believe_stops,
}
