"""Takes in packages that came back, in a person's name: each once, and stock grows by what can be sold.

One transaction for each package: what one of them raises keeps no other waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import psycopg

from actors.parcels.coming_back import CountedParcel, Receipt, take_in
from actors.scan import STEP
from actors.tools import Tools
from domain.errors import Refused
from domain.own_scans import WhyNot
from domain.reasons import Reason
from domain.returns import CountedLine, everything
from domain.states import Cause
from infra.engine.author import Author
from infra.queue.keys import BellKey
from infra.tables.audit import Verb
from infra.tables.picking import PackageFound, find_packages, lock_package
from infra.tables.pool import Connection
from infra.tables.returns import ReturnRow, known_returns, lock_returns, sent_lines
from infra.telemetry.log import get_logger
from ops.verbs.change import change
from ops.verbs.choose import Named
from ops.verbs.packing import Became, ScanResult
from ops.verbs.writeback_retry import UNEXPECTED
from ops.views.looking import looking

log = get_logger(__name__)

# What was counted differs from what was sent.
PIECES_DIFFER = "pieces_differ"


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceCount:
    """What a person has counted: all that was sent, fit for sale or damaged; or pieces.

    `lines`: whose SKU may be the id of a line instead.
    """

    lines: tuple[CountedLine, ...] = ()
    is_all: bool = False
    is_damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingDesk:
    """Takes counts in an author's name. `location`: where the pieces are now; empty: where the package left from."""

    tools: Tools
    author: Author
    count: PieceCount
    location: str = ""
    bells: set[BellKey] = field(default_factory=set)

    def receive(self, named: Named) -> list[ScanResult]:
        """Take in the packages of these names, which are waybills or references of packages.

        Raises Refused ``location_unknown``, and what our own database being away does.
        """
        if self.location and self.location not in self.tools.directory.locations:
            raise Refused("location_unknown", facts={"location": self.location})
        results = [self._receive(position, name) for position, name in named]
        self.tools.bells.ring(self.bells)
        return results

    def _receive(self, position: int, name: str) -> ScanResult:
        plain = "".join(name.split())
        with looking(self.tools.db) as tx:
            found = find_packages(tx, sorted({plain, plain.upper()}), self.tools.directory.courier_names)
        rows = found.get(plain) or found.get(plain.upper()) or []
        if len(rows) != 1:
            code = WhyNot.PACKAGE_AMBIGUOUS if rows else WhyNot.PACKAGE_UNKNOWN
            return ScanResult(position=position, name=name, became=Became.REFUSED, why=Reason(code))
        became, why = self._take_alone(rows[0])
        return ScanResult(
            position=position,
            name=name,
            became=became,
            why=why,
            order=f"{rows[0].key.account}/{rows[0].key.platform_order_id}",
            waybill=rows[0].waybill,
            package_id=rows[0].package_id,
        )

    def _take_alone(self, seen: PackageFound) -> tuple[Became, Reason | None]:
        try:
            return self._take(seen)
        except psycopg.OperationalError:
            raise
        except Exception as error:
            # Whatever one package raises is its own fault, and the next one is counted already.
            log.exception("package_not_received", package=seen.package_id)
            return Became.UNANSWERED, Reason(UNEXPECTED, {"type": type(error).__name__})

    def _take(self, seen: PackageFound) -> tuple[Became, Reason | None]:
        with change(self.tools.db, self.author) as made:
            lock_package(made.tx, seen.package_id)
            rows = lock_returns(made.tx, [seen.package_id])
            why = self._why_not(made.tx, rows)
            if why is not None or not rows:
                made.unchanged()
                return Became.REFUSED, why or Reason(WhyNot.NOT_LABELLED)
            row = rows[0]
            lines = self._lines(made.tx, row)
            counted = CountedParcel(row, self.location or row.location, self.author.who, lines)
            [receipt], bells = take_in(made.tx, STEP.name, Cause.PERSON, [counted])
            if not receipt.is_new:
                made.unchanged()
                return Became.UNCHANGED, None
            self.bells.update(bells)
            made.note(
                Verb.PACKAGE_RECEIVED,
                f"package/{row.package_id}",
                {"is_back": False},
                {"is_back": True},
                waybill=row.waybill,
                **receipt.facts,
            )
        return Became.DONE, _differs(receipt)

    def _why_not(self, tx: Connection, rows: Sequence[ReturnRow]) -> Reason | None:
        """A package that nobody saw leave is in the house: its pieces were never off the shelf's books."""
        if not rows:
            return Reason(WhyNot.NOT_LABELLED)
        row = rows[0]
        if row.has_left or row.is_collected or known_returns(tx, [row.package_id]):
            return None
        return Reason(WhyNot.NOT_LEFT)

    def _lines(self, tx: Connection, row: ReturnRow) -> tuple[CountedLine, ...]:
        sent = sent_lines(tx, [row.package_id]).get(row.package_id, [])
        if self.count.is_all:
            return tuple(everything(sent, is_damaged=self.count.is_damaged))
        known = {one.line_id for one in sent}
        return tuple(replace(one, line_id=one.sku) if one.sku in known else one for one in self.count.lines)


def _differs(receipt: Receipt) -> Reason | None:
    facts = receipt.facts
    if not facts["missing"] and not receipt.surplus.pieces:
        return None
    return Reason(PIECES_DIFFER, {"missing": facts["missing"], "surplus": sum(receipt.surplus.pieces.values())})
