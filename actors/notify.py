"""notify: the buyer, or the merchant's own system, is told of a package. It never moves the order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.tools import Tools
from adapters.ports import Notice
from domain.errors import Refused, UnknownOutcome
from domain.outcomes import Done
from domain.states import Step
from infra.db.orders import rows_json
from infra.db.pool import Connection
from infra.db.shipments import SHIPMENTS, NoticeRow, load_notices
from infra.engine.outer import Intended, Lease, call_each
from infra.engine.results import Failed, Place, Result, Settled, each, place_of
from infra.failpoints import failpoint

STEP = Step.NOTIFY
# Statuses after which nothing is sent any more.
_OVER = frozenset({"told", "unknown"})


@dataclass(frozen=True, slots=True)
class Unsent:
    """A notice on its way. `seen_before`: it may have been sent already."""

    place: Place
    notice: Notice
    seen_before: bool


@dataclass(frozen=True, slots=True)
class Notify:
    """Tells over one channel. A channel without event ids is never told twice: unclear stays unclear."""

    tools: Tools
    step: Step = STEP

    @property
    def call_s(self) -> float:
        return self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Unsent]:
        rows = load_notices(tx, subject_ids)
        unsent = [_unsent(row) for row in rows if row.status not in _OVER]
        settled = [
            Settled(place_of(row, row.notice_id), Done(facts={"left_alone": row.status}))
            for row in rows
            if row.status in _OVER
        ]
        if unsent:
            tx.execute(SHIPMENTS["begin_notices"], {"ids": [one.place.subject_id for one in unsent]})
        return Intended(unsent, settled)

    async def call(self, intents: Sequence[Unsent], lease: Lease) -> Mapping[int, Any]:
        notifier = self.tools.notifier(lease.key.account)

        async def tell(one: Unsent) -> bool:
            if one.seen_before and not notifier.is_idempotent:
                raise UnknownOutcome("notice_unclear", "it may have been sent; a second one would annoy")
            await notifier.tell(one.notice)
            failpoint("notify.sent", one.place.subject_id)
            return True

        return await call_each(
            intents,
            tell,
            at_once=self.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.tools.clock.monotonic,
        )

    def record(self, tx: Connection, answered: Sequence[tuple[Unsent, Any]]) -> Sequence[Result]:
        statuses = {one.place.subject_id: self._status(one, answer) for one, answer in answered}
        rows = rows_json({"id": id_, "status": status} for id_, status in statuses.items())
        tx.execute(SHIPMENTS["end_notices"], {"rows": rows})
        answers = {one.place.subject_id: answer for one, answer in answered}

        def settle(one: Unsent) -> Result:
            answer, status = answers[one.place.subject_id], statuses[one.place.subject_id]
            if isinstance(answer, Exception) and status != "unknown":
                return Failed(one.place, answer)
            return Settled(one.place, Done(facts={"event": one.notice.event, "notice": status}))

        return each(STEP, [one for one, _ in answered], settle)

    def _status(self, one: Unsent, answer: object) -> str:
        if not isinstance(answer, Exception):
            return "told"
        if isinstance(answer, Refused):
            return "refused"
        if isinstance(answer, UnknownOutcome):
            channel = f"{one.notice.content['channel']}"
            return "sending" if self.tools.notifier(channel).is_idempotent else "unknown"
        return "pending"


def _unsent(row: NoticeRow) -> Unsent:
    content = {
        "channel": row.channel,
        "platform": row.platform,
        "shop": row.shop,
        "platform_order_id": row.platform_order_id,
        "courier": row.courier,
        "waybill": row.waybill,
    }
    notice = Notice(str(row.event_id), row.event, row.occurred_at, content)
    return Unsent(place_of(row, row.notice_id), notice, seen_before=row.status == "sending")
