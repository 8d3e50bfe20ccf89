"""notify: notifies the buyer, or the merchant's own system, of a package. This step never moves the order."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from actors.orders.decrypt_receiver import reveal
from actors.tools import Tools
from adapters.ports import Notice, Notifier, Purpose
from domain.alarms import AlarmKind
from domain.errors import Conflict, FulfilmentError, Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from domain.order import Address, Pii
from domain.outcomes import Done, Later
from domain.phone import Unreachable, mobile_of
from domain.steps import Step, Subject
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease, call_each
from infra.engine.results import Failed, Finished, Result, SubjectRef, decide_each, ref_of
from infra.monitoring.alarm_events import note_event
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.notices import (
    ContactRow,
    EndedNotice,
    NoticeRow,
    begin_notices,
    end_notices,
    load_contacts,
    load_notices,
)
from infra.tables.pool import Connection
from infra.tables.progress import ended_notices
from infra.telemetry.log import get_logger

STEP = Step(
    name="notify",
    does="notify the buyer, once for each event",
    subject=Subject.NOTICE,
    is_remote=True,
    group="tell",
    failpoints=("sent", "decide"),
    stops_order=False,
    done=ended_notices,
)
# Statuses after which nothing is sent any more.
_OVER = frozenset({"told", "unknown", "unreachable"})
# A call that ended with one of these errors certainly notified nobody. Any other error may have come after the notice
# was delivered.
_NO_EFFECT = (Transient, Throttled, Refused, Misconfigured)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PendingNotice:
    """A notice that is to be sent. `seen_before`: it may have been sent already.

    `contact`: how to reach the buyer, for channels that need a number.
    """

    ref: SubjectRef
    notice: Notice
    platform_order_id: str
    shop: str
    seen_before: bool
    contact: ContactRow | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ChannelNotCalled:
    """The channel was never called, because of `error`, which may be a defect of ours: the outcome is clear."""

    error: Exception


@dataclass(frozen=True, slots=True)
class NoticeEnd:
    """What becomes of a notice's row."""

    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NotifyStep:
    """Sends notices over one channel.

    On a channel without event ids a notice is never sent twice: an unknown outcome stays unknown. A buyer who cannot be
    notified is recorded with the reason and does not count as a failure.
    """

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        # The buyer's number, and the call.
        return 2 * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[PendingNotice]:
        rows = load_notices(tx, subject_ids)
        open_rows = [row for row in rows if row.status not in _OVER]
        contacts = load_contacts(tx, [row.notice_id for row in open_rows if self._needs_mobile(row.channel)])
        unsent = [_unsent(row, contacts.get(row.notice_id)) for row in open_rows]
        finished = [
            Finished(ref_of(row, row.notice_id), Done(facts={"left_alone": row.status}))
            for row in rows
            if row.status in _OVER
        ]
        if unsent:
            begin_notices(tx, [one.ref.subject_id for one in unsent])
        return Intended(unsent, finished)

    def _needs_mobile(self, channel: str) -> bool:
        notifier = self.tools.notifiers.get(channel)
        return notifier is not None and notifier.needs_mobile

    async def call(self, intents: Sequence[PendingNotice], lease: Lease) -> Mapping[int, Any]:
        notifier = self.tools.notifier(lease.key.account)
        sendable = [one for one in intents if notifier.is_idempotent or not one.seen_before]
        receivers = await self._reveal(sendable, lease)

        async def notify_one(one: PendingNotice) -> Unreachable | ChannelNotCalled | Later | None:
            if one.seen_before and not notifier.is_idempotent:
                raise UnknownOutcome("notice_unclear", "it may have been sent; a second one would annoy")
            answer = await _notify(notifier, one, receivers.get(one.ref.subject_id))
            failpoint("notify.sent", one.ref.subject_id)
            return answer

        return await call_each(
            intents,
            notify_one,
            at_once=self.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.tools.clock.monotonic,
            is_draining=lease.is_draining,
        )

    async def _reveal(self, intents: Sequence[PendingNotice], lease: Lease) -> dict[int, Address | Exception]:
        """Decrypts receivers that the platform hides. Shops are asked in parallel, so that a slow shop does not delay
        the others.
        """
        by_shop: dict[str, dict[str, str]] = {}
        hidden = [one for one in intents if one.contact is not None and one.contact.merge_token]
        for one in hidden:
            assert one.contact is not None
            by_shop.setdefault(one.shop, {})[one.platform_order_id] = one.contact.merge_token
        asked = [
            reveal(self.tools, shop, tokens, Purpose.NOTICE, lease.is_draining) for shop, tokens in by_shop.items()
        ]
        revealed = dict(zip(by_shop, await asyncio.gather(*asked), strict=True))
        return {one.ref.subject_id: revealed[one.shop][one.platform_order_id] for one in hidden}

    def record(self, tx: Connection, answered: Sequence[tuple[PendingNotice, Any]]) -> Sequence[Result]:
        answers = {one.ref.subject_id: answer for one, answer in answered}
        ended = {one.ref.subject_id: self._end(one, answer) for one, answer in answered}
        end_notices(tx, [EndedNotice(id_, end.status, end.reason) for id_, end in ended.items()])
        unclear = [
            one.notice.content["channel"] for one, _ in answered if ended[one.ref.subject_id].status == "unknown"
        ]
        for channel, notices in Counter(unclear).items():
            note_event(self.tools.db, AlarmKind.NOTICE_UNKNOWN, channel, notices)

        def result_of(one: PendingNotice) -> Result:
            answer, end = answers[one.ref.subject_id], ended[one.ref.subject_id]
            if end.status == "unknown":
                log.warning("notice_unknown", notice_id=one.ref.subject_id, notice=one.notice.event, why=end.reason)
            elif isinstance(answer, ChannelNotCalled):
                return Failed(one.ref, answer.error)
            elif isinstance(answer, Exception):
                return Failed(one.ref, answer)
            elif isinstance(answer, Later):
                return Finished(one.ref, answer)
            facts = {"event": one.notice.event, "notice": end.status}
            return Finished(one.ref, Done(facts=facts | ({"why": end.reason} if end.reason else {})))

        return decide_each(STEP.name, [one for one, _ in answered], result_of)

    def _end(self, one: PendingNotice, answer: object) -> NoticeEnd:
        if isinstance(answer, Unreachable):
            return NoticeEnd("unreachable", answer.reason)
        if answer is None:
            return NoticeEnd("told")
        if isinstance(answer, Refused):
            return NoticeEnd("refused")
        if isinstance(answer, (ChannelNotCalled, Later, *_NO_EFFECT)):
            # An earlier call may have sent the notice; that this call sent nothing does not change that.
            return NoticeEnd("sending" if one.seen_before else "pending")
        if self.tools.notifier(f"{one.notice.content['channel']}").is_idempotent:
            return NoticeEnd("sending")
        return NoticeEnd("unknown", answer.code if isinstance(answer, FulfilmentError) else type(answer).__name__)


@actor(STEP, NotifyStep)
def notify(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


async def _notify(
    notifier: Notifier, one: PendingNotice, receiver: Address | Exception | None
) -> Unreachable | ChannelNotCalled | Later | None:
    if not notifier.needs_mobile:
        return await notifier.notify(one.notice)
    try:
        mobile = _mobile(one.contact, receiver) if one.contact is not None else Unreachable("phone_absent")
    except Exception as error:  # noqa: BLE001 - whatever it was, it came before the telling
        return ChannelNotCalled(error)
    if isinstance(mobile, Unreachable):
        return mobile
    return await notifier.notify(replace(one.notice, mobile=mobile))


def _mobile(contact: ContactRow, receiver: Address | Exception | None) -> str | Unreachable:
    """The number to send to. Raises what kept the platform from revealing it for now."""
    if isinstance(receiver, Address):
        return mobile_of(receiver.phone, is_virtual=receiver.has_virtual_phone)
    if isinstance(receiver, Refused | Conflict):
        return Unreachable(receiver.code)
    if isinstance(receiver, UnknownOutcome):
        # Only the decryption failed: nobody was notified.
        raise Transient("receiver_unread", receiver.message, receiver.facts) from receiver
    if receiver is not None:
        raise receiver
    return Unreachable("phone_hidden") if contact.pii == Pii.CIPHER else mobile_of(contact.phone)


def _unsent(row: NoticeRow, contact: ContactRow | None) -> PendingNotice:
    content = {
        "channel": row.channel,
        "platform": row.platform,
        "shop": row.shop,
        "platform_order_id": row.platform_order_id,
        "courier": row.courier,
        "waybill": row.waybill,
    }
    notice = Notice(str(row.event_id), row.event, row.occurred_at, content)
    seen_before = row.status == "sending"
    return PendingNotice(
        ref_of(row, row.notice_id), notice, row.platform_order_id, row.key.account, seen_before, contact
    )
