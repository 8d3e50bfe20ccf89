"""A warehouse made by hand: documents in memory, scans as a test appends them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from adapters.documents import Capabilities, Document, DocumentProgress, Found, Stop, Taken
from adapters.ports import EventPage, StockCount, WarehouseEvent
from adapters.rejection import Rejected
from domain.errors import Conflict

TOLD_NOTHING = Capabilities(takes_orders=False, can_stop=False, can_find=False)


@dataclass
class HandWarehouse:
    """A feed of scans, `page_size` at a time; the cursor is the number of scans read. It takes no orders at first.

    `documents`: by reference, as they were placed. `progress`: what `find` says of one, TAKEN where nothing is said.
    `answers`: what the next `place` or `stop` answers instead, by the method's name.
    """

    scans: list[WarehouseEvent] = field(default_factory=list)
    rejected: tuple[Rejected, ...] = ()
    page_size: int = 100
    errors: list[BaseException] = field(default_factory=list)
    capabilities: Capabilities = TOLD_NOTHING
    documents: dict[str, list[Document]] = field(default_factory=dict)
    progress: dict[str, DocumentProgress] = field(default_factory=dict)
    faults: dict[str, list[BaseException]] = field(default_factory=dict)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def _raise(self, name: str) -> None:
        self.asked[name] += 1
        if self.faults.get(name):
            raise self.faults[name].pop(0)

    async def place(self, document: Document) -> Taken:
        self._raise("place")
        if self.answers.get("place"):
            return self.answers["place"].pop(0)
        known = self.documents.setdefault(document.reference, [])
        if not (known and self.capabilities.is_idempotent):
            known.append(document)
        self._raise("after_place")
        return Taken(f"id-{document.reference}")

    async def stop(self, reference: str, their_id: str) -> Stop:
        self._raise("stop")
        if self.answers.get("stop"):
            return self.answers["stop"].pop(0)
        if reference not in self.documents:
            raise Conflict("unknown_reference")
        self.progress[reference] = DocumentProgress.STOPPED
        self._raise("after_stop")
        return Stop.STOPPED

    async def find(self, reference: str) -> Found | None:
        self._raise("find")
        if reference not in self.documents:
            return None
        return Found(reference, f"id-{reference}", self.progress.get(reference, DocumentProgress.TAKEN))

    async def events(self, cursor: str) -> EventPage:
        if self.errors:
            raise self.errors.pop(0)
        start = int(cursor or 0)
        page = self.scans[start : start + self.page_size]
        end = start + len(page)
        return EventPage(b"page", tuple(page), self.rejected, str(end) if page else cursor, end < len(self.scans))

    async def stock(self):
        return StockCount(())
