"""scan: read a location's scans and walk the fulfillment orders forward, never back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.scans.pages import ScanPages
from actors.tools import Tools
from domain.errors import in_own_words
from domain.order import Lane
from domain.outcomes import Later
from domain.steps import Step, Subject
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease
from infra.engine.results import Finished, Result, SubjectRef
from infra.queue.keys import BellKey
from infra.tables.locations import load_locations, note_feeds_read
from infra.tables.pool import Connection
from infra.telemetry.log import get_logger

STEP = Step(
    # The name that stored rows carry. A worker of an earlier version knows the step by no other (ADR 0013).
    name="warehouse",
    does="read a location's events: accepted, refused, picked short, packed, handed over",
    subject=Subject.LOCATION,
    is_remote=True,
    leads_to=("writeback", "notify", "track", "route", "reserve", "stop", "void"),
    group="order",
)

# How often a location without a feed is looked at, for scans that were kept while it had one.
NO_FEED_S = 900.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LocationFeed:
    """A location and how far its events were read."""

    ref: SubjectRef
    location: str
    cursor: str


@dataclass(frozen=True, slots=True)
class ScanStep:
    """Reads pages until none is left; each page is stored raw and applied in one transaction."""

    tools: Tools
    step: str = STEP.name
    pages: ScanPages = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pages", ScanPages(self.tools, self.step))

    @property
    def call_s(self) -> float:
        return self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[LocationFeed]:
        rows = load_locations(tx, subject_ids)
        known = self.tools.directory.locations
        return Intended(
            [LocationFeed(SubjectRef(id_, Lane.P1), name, cursor) for id_, name, cursor in rows if name in known]
        )

    async def call(self, intents: Sequence[LocationFeed], lease: Lease) -> Mapping[int, Any]:
        answers: dict[int, Any] = {}
        for feed in intents:
            try:
                answers[feed.ref.subject_id] = await self._read(feed, lease)
            except Exception as error:  # noqa: BLE001 - whatever one feed raises is that feed's own answer
                answers[feed.ref.subject_id] = error
        return answers

    async def _read(self, feed: LocationFeed, lease: Lease) -> int:
        warehouse = self.tools.warehouse(feed.location)
        cursor, read = feed.cursor, 0
        await asyncio.to_thread(self.pages.look_again, feed.location)
        if not warehouse.capabilities.has_feed:
            return 0
        while not lease.is_draining() and self.tools.clock.monotonic() < lease.ends_at - self.call_s:
            page = await warehouse.events(cursor)
            if page.cursor != cursor:
                await asyncio.to_thread(self.pages.store, feed.ref.subject_id, feed.location, cursor, page)
            read += len(page.events)
            cursor = page.cursor
            if not page.has_more:
                break
        return read

    def record(self, tx: Connection, answered: Sequence[tuple[LocationFeed, Any]]) -> Sequence[Result]:
        """The pages are stored already; only the time of the next reading is left to record."""
        read = [feed.ref.subject_id for feed, answer in answered if not isinstance(answer, Exception)]
        note_feeds_read(tx, read)
        results: list[Result] = []
        for feed, answer in answered:
            pause = self.tools.directory.location(feed.location).poll_every_s
            if not self.tools.capabilities(feed.location).has_feed:
                pause = max(pause, NO_FEED_S)
            if isinstance(answer, Exception):
                # A feed is never given up: it is asked again at its pace, and the log says why.
                log.warning("feed_unread", location=feed.location, error=in_own_words(answer))
            results.append(Finished(feed.ref, Later("next_poll", after_s=pause)))
        return results


@actor(STEP, ScanStep)
def scan(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)
