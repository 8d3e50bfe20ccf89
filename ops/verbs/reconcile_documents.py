"""Asks warehouses for the documents of orders, as after a restored backup, and makes what lives there ours.

References are derived from the order, so a document whose placing we forgot can still be asked for. Nothing is placed:
the step dispatch, which becomes due, asks the warehouse by the same reference and records what it says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from actors.tools import Tools
from adapters.documents import DocumentProgress, Found
from domain.order import Lane
from domain.reconcile import ComparedDocuments, WarehouseDocument, compare_documents
from infra.engine.author import Author
from infra.engine.event_loop import EventLoopThread
from infra.engine.remote import call_each
from infra.engine.results import SubjectRef
from infra.queue.keys import BellKey
from infra.tables.audit import Verb
from infra.tables.placements import DocumentHere, adopt_document, documents_since
from infra.tables.pool import Database
from ops.verbs.change import change
from ops.views.looking import looking

_PAGE = 200
_OVER = frozenset({DocumentProgress.REFUSED, DocumentProgress.STOPPED})


@dataclass(frozen=True, slots=True)
class _AskedDocument:
    """A fulfillment order in the form that `call_each` needs."""

    ref: SubjectRef
    document: DocumentHere


@dataclass(frozen=True, slots=True)
class DocumentReconciler:
    """Compares our documents with those of all warehouses that can be asked; those of people are rows of ours."""

    tools: Tools
    event_loop: EventLoopThread
    db: Database

    def compared(self, since: datetime) -> Iterator[tuple[DocumentHere, ComparedDocuments | Exception]]:
        """Fulfillment orders of orders that came since then and have not left; or what asking about one raised."""
        locations = self._locations()
        after = 0
        while locations and (page := self._page(since, after)):
            after = page[-1].id
            for document, found in self._ask(page, locations).items():
                yield document, found if isinstance(found, Exception) else _compare(document, found)

    def adopt(self, document: DocumentHere, keep: WarehouseDocument, author: Author) -> bool:
        """Make it our intent; False where a worker places a document of the order at this moment."""
        reference = document.reference(keep.generation)
        with change(self.db, author) as made:
            if not adopt_document(made.tx, document.id, keep.location, keep.generation, reference):
                made.unchanged()
                return False
            before = {"generation": document.generation}
            after = {"generation": keep.generation, "location": keep.location}
            made.note(Verb.DOCUMENT_ADOPTED, f"fulfillment_order/{document.id}", before, after)
        self.tools.bells.ring({BellKey("dispatch", Lane(document.lane), f"warehouse/{keep.location}")})
        return True

    def _locations(self) -> list[str]:
        """Locations whose warehouse takes orders and can be asked what it has."""
        own = {name for name, location in self.tools.directory.locations.items() if location.is_own}
        known = {name: self.tools.capabilities(name) for name in self.tools.directory.locations if name not in own}
        return [name for name, can in known.items() if can.takes_orders and can.can_find]

    def _page(self, since: datetime, after: int) -> list[DocumentHere]:
        with looking(self.db) as tx:
            return documents_since(tx, since, after=after, limit=_PAGE)

    def _ask(
        self, page: Sequence[DocumentHere], locations: Sequence[str]
    ) -> Mapping[DocumentHere, list[WarehouseDocument] | Exception]:
        """The documents of each fulfillment order that no worker places now."""
        asked = [_AskedDocument(SubjectRef(one.id, Lane(one.lane)), one) for one in page if not one.is_calling]

        async def ask(one: _AskedDocument) -> list[WarehouseDocument]:
            return await self._all_of(one.document, locations)

        answers = self.event_loop.run(
            call_each(
                asked,
                ask,
                at_once=self.tools.settings.engine.outside_concurrency,
                start_before=float("inf"),
                now=self.tools.clock.monotonic,
            )
        )
        return {one.document: answers[one.document.id] for one in asked}

    async def _all_of(self, document: DocumentHere, locations: Sequence[str]) -> list[WarehouseDocument]:
        """Every generation that a warehouse knows: ours, and on until none knows one.

        Generations have no gaps: one rises only after the one below was refused or stopped, wherever that was.
        """
        found: list[WarehouseDocument] = []
        generation = 1
        while True:
            here = [(location, await self._find(document, location, generation)) for location in locations]
            known = [(location, one) for location, one in here if one is not None]
            found += [WarehouseDocument(location, generation, one.progress not in _OVER) for location, one in known]
            if not known and generation >= document.known_generation:
                return found
            generation += 1

    async def _find(self, document: DocumentHere, location: str, generation: int) -> Found | None:
        return await self.tools.warehouse(location).find(document.reference(generation))


def _compare(document: DocumentHere, found: Sequence[WarehouseDocument]) -> ComparedDocuments:
    return compare_documents(document.generation, document.location, found, is_placed=document.is_placed)
