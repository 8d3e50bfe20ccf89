"""Pages of a location's events: each page is stored raw, in one transaction with the changes of its scans.

A scan that raises an error is recorded as unreadable; the other scans of the page are applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg

from actors.scans.apply import apply_scans
from actors.scans.early import drop_early, load_early
from actors.tools import Tools
from adapters.ports import EventPage, WarehouseEvent
from adapters.rejection import Rejected
from infra.queue.keys import BellKey
from infra.tables.locations import advance_feed
from infra.tables.pool import Connection
from infra.tables.scans import store_page
from infra.tables.unreadable import EntrySource, UnreadableEntry, note_unreadable
from infra.telemetry.log import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unapplied:
    """A scan that could be read, and the kind of error that applying it raised."""

    scan: WarehouseEvent
    error: str


class Apply(Protocol):
    """Applies scans and returns the bells to ring; adds scans that it could not apply to `unapplied`."""

    def __call__(
        self, tx: Connection, location: str, events: Sequence[WarehouseEvent], unapplied: list[Unapplied], /
    ) -> set[BellKey]: ...


@dataclass(frozen=True, slots=True)
class ScanPages:
    """Stores pages and looks again at early scans, for the step of that name."""

    tools: Tools
    step: str

    def store(self, location_id: int, location: str, after: str, page: EventPage) -> None:
        """Store a page that follows the cursor `after`, with what its scans change, and ring for what that makes due.

        A page whose scans cannot be applied together is stored with each applied by itself.
        """
        try:
            bells = self._store_page(location_id, location, after, page, self._apply)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one scan raises is its own fault
            log.warning("page_unapplied", location=location, error=type(error).__name__)
            bells = self._store_page(location_id, location, after, page, self._apply_apart)
        self.tools.bells.ring(bells)

    def _store_page(self, location_id: int, location: str, after: str, page: EventPage, apply: Apply) -> set[BellKey]:
        with self.tools.db.transaction() as tx:
            if not advance_feed(tx, location_id, after=after, cursor=page.cursor, size=len(page.body)):
                return set()
            stored = store_page(tx, location, after, page.body, self.tools.settings.retention.pages_max_bytes)
            if page.rejected:
                self._note(tx, location, [_entry(one) for one in page.rejected], stored)
            unapplied: list[Unapplied] = []
            bells = apply(tx, location, page.events, unapplied)
            if unapplied:
                self._note(tx, location, _unapplied_entries(page, unapplied), stored)
        return bells

    def _note(
        self, tx: Connection, location: str, entries: Sequence[UnreadableEntry], page_id: int | None = None
    ) -> None:
        account = self.tools.directory.location(location).account
        couriers = sorted(self.tools.directory.courier_names)
        note_unreadable(tx, EntrySource.SCAN, account, entries, page_id=page_id, couriers=couriers)
        log.error("scans_unreadable", location=location, count=len(entries))

    def look_again(self, location: str) -> None:
        """Scans that came before the record of their label can perhaps be applied now."""
        try:
            bells = self._look_again_with(location, self._apply)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - as above: one scan stops no other
            log.warning("early_scans_unapplied", location=location, error=type(error).__name__)
            bells = self._look_again_with(location, self._apply_apart)
        self.tools.bells.ring(bells)

    def _look_again_with(self, location: str, apply: Apply) -> set[BellKey]:
        with self.tools.db.transaction() as tx:
            early = load_early(tx, location)
            if not early:
                return set()
            unapplied: list[Unapplied] = []
            bells = apply(tx, location, early, unapplied)
            if unapplied:
                self._note(tx, location, [_unapplied_entry(0, one) for one in unapplied])
                drop_early(tx, location, [one.scan for one in unapplied])
        return bells

    def _apply_apart(
        self, tx: Connection, location: str, events: Sequence[WarehouseEvent], unapplied: list[Unapplied]
    ) -> set[BellKey]:
        """One scan after the other; an error of one scan rolls back only the writes of that scan."""
        bells: set[BellKey] = set()
        for scan in events:
            try:
                with tx.transaction():
                    bells |= self._apply(tx, location, [scan], unapplied)
            except psycopg.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - alone now, so the error is this scan's
                unapplied.append(Unapplied(scan, type(error).__name__))
        return bells

    def _apply(
        self, tx: Connection, location: str, events: Sequence[WarehouseEvent], _unapplied: list[Unapplied]
    ) -> set[BellKey]:
        return apply_scans(tx, self.tools, self.step, location, events)


def _entry(rejected: Rejected) -> UnreadableEntry:
    return UnreadableEntry(rejected.position, rejected.code, rejected.field, rejected.key, rejected.waybill)


def _unapplied_entry(position: int, one: Unapplied) -> UnreadableEntry:
    return UnreadableEntry(position, one.error, "", one.scan.reference, one.scan.waybill)


def _unapplied_entries(page: EventPage, unapplied: Sequence[Unapplied]) -> list[UnreadableEntry]:
    """With their places on the page, where the rejected entries have theirs."""
    taken = {rejected.position for rejected in page.rejected}
    free = (position for position in range(len(page.events) + len(taken)) if position not in taken)
    positions = {scan.event_id: position for scan, position in zip(page.events, free, strict=True)}
    return [_unapplied_entry(positions[one.scan.event_id], one) for one in unapplied]
