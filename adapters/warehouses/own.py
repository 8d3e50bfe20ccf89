"""A location of our own: no outside system, no network. People work from ``orderlane picks`` and say what they did.

A document is a row of ours and nothing else. Placing a document therefore takes effect only when `dispatch` records
it, and a look-up reads that record.

- Is placing idempotent? Yes: there is nobody who could take a document twice.
- Can we look up? Yes, in our own rows, without a lag.
- A stop is answered with PENDING: only a person, or a scan, confirms that a package stays in the house.
- It has no feed and counts no stock: ``orderlane package`` and ``orderlane stock`` are its way in.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from adapters.documents import Capabilities, Document, Found, Stop, Taken
from adapters.http_client import HttpClient
from adapters.plugin import WarehouseKind
from adapters.ports import EventPage, StockCount
from domain.errors import Misconfigured
from infra.config import settings
from infra.process.clock import Clock

NAME = settings.OWN
CAPABILITIES = Capabilities(has_feed=False, counts_stock=False)


class Documents(Protocol):
    """Our own rows of documents."""

    def found(self, reference: str) -> Found | None:
        """How far the document of a reference is; None where it was never recorded as placed."""
        ...


@dataclass(frozen=True, slots=True)
class OwnWarehouse:
    """The port of one location of our own. `documents`: None where nothing is dispatched, as in a check of settings."""

    documents: Documents | None = None

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    async def place(self, document: Document) -> Taken:
        return Taken(document.reference)

    async def stop(self, reference: str, their_id: str) -> Stop:  # noqa: ARG002 - as the port
        return Stop.PENDING

    async def find(self, reference: str) -> Found | None:
        """Raises Misconfigured ``documents_missing`` without rows to look into: silence would mean that none exists."""
        if self.documents is None:
            raise Misconfigured("documents_missing", "this port was made without the documents of the location")
        return await asyncio.to_thread(self.documents.found, reference)

    async def events(self, cursor: str) -> EventPage:
        return EventPage(b"", (), (), cursor, has_more=False)

    async def stock(self) -> StockCount:
        return StockCount(())


def connect(_location: settings.Location, _door: HttpClient, _clock: Clock) -> OwnWarehouse:
    """The port without its rows; whoever dispatches adds them."""
    return OwnWarehouse()


KIND = WarehouseKind(NAME, connect)
