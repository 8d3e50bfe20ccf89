"""What people do to packages at a location of our own: accept, pack, hand over, or keep in the house, as scans of a
warehouse's feed do.

Before packing and hand-over the platform is asked once more, unless its last answer is recent; without an answer
nothing is packed or handed over. One transaction for each package: what one of them raises keeps no other waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import psycopg

from actors.orders.last_check import CheckedPackage, LastCheck, OrderChangedError, OrderHeldError
from actors.scan import STEP
from actors.scans.apply import apply_scans
from actors.tools import Tools
from adapters.ports import WarehouseEvent
from domain.errors import FulfilmentError
from domain.order import Lane, PlatformState
from domain.own_scans import ASKS_FIRST, PackageNow, WhyNot, is_repeat, may_be_shipped, why_not_stopped, why_refused
from domain.reasons import Reason
from domain.references import is_document_reference
from domain.states import State
from domain.warehouse import Scan
from infra.engine.author import Author
from infra.engine.event_loop import EventLoopThread
from infra.engine.remote import call_each
from infra.engine.results import SubjectRef
from infra.tables.audit import Verb
from infra.tables.holds import load_waivers
from infra.tables.orders import load_orders
from infra.tables.picking import PackageFound, find_packages, load_pieces, lock_package
from infra.tables.shipments import note_checked
from infra.telemetry.log import get_logger
from ops.verbs.change import change
from ops.verbs.choose import Named
from ops.verbs.writeback_retry import UNEXPECTED
from ops.views.looking import looking

log = get_logger(__name__)

# Scans that are looked up and checked together.
PART = 100


class PackageAct(StrEnum):
    """What was done to a package. `RECEIVE`: it came back, see `ops.verbs.receiving`."""

    ACCEPT = "accept"
    PACK = "pack"
    HAND_OVER = "hand_over"
    STOP = "stop"
    RECEIVE = "receive"


_SCANS: Mapping[PackageAct, tuple[Scan, Verb]] = {
    PackageAct.ACCEPT: (Scan.ACCEPTED, Verb.PACKAGE_ACCEPTED),
    PackageAct.PACK: (Scan.PACKED, Verb.PACKAGE_PACKED),
    PackageAct.HAND_OVER: (Scan.HANDED_OVER, Verb.PACKAGE_HANDED_OVER),
    PackageAct.STOP: (Scan.STOPPED, Verb.PACKAGE_STOPPED),
}


class Became(StrEnum):
    """What became of a scan. `UNANSWERED`: the platform could not be asked, or a defect; nothing was done."""

    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """One scanned name. `position`: its line or place, from 1. Empty names and no id: nothing of ours is known so."""

    position: int
    name: str
    became: Became
    why: Reason | None = None
    order: str = ""
    waybill: str = ""
    package_id: int | None = None


# Why a package may not leave.
Refusal = tuple[Became, Reason]


@dataclass(frozen=True, slots=True)
class _Check:
    """A package to ask the platform about, as the engine's calls want it."""

    ref: SubjectRef
    asked: CheckedPackage


@dataclass(frozen=True, slots=True)
class PackingBench:
    """Takes scans of one kind in an author's name. `event_loop`: where the platforms are asked."""

    tools: Tools
    event_loop: EventLoopThread
    author: Author
    act: PackageAct

    def scan(self, named: Named) -> list[ScanResult]:
        """Take each name, in the order in which they were scanned. Raises only what our own database being away does.

        A name is a waybill, the reference of a package, or the reference of a document for all of its packages.
        """
        done: list[ScanResult] = []
        for start in range(0, len(named), PART):
            done += self._scan_part(named[start : start + PART])
        return done

    def _scan_part(self, named: Named) -> list[ScanResult]:
        found = self._find([name for _, name in named])
        rows = {row.package_id: row for packages in found.values() for row in packages}
        answers = self._ask_platforms([row for row in rows.values() if self._wants_answer(row)])
        return [result for position, name in named for result in self._take(position, name, _of(name, found), answers)]

    def _find(self, names: Sequence[str]) -> dict[str, list[PackageFound]]:
        couriers = self.tools.directory.courier_names
        with looking(self.tools.db) as tx:
            return find_packages(tx, sorted({plain for name in names for plain in _spellings(name)}), couriers)

    def _wants_answer(self, row: PackageFound) -> bool:
        scan, _ = _SCANS[self.act]
        package = self._now(row)
        if scan not in ASKS_FIRST or why_refused(package) or is_repeat(scan, package):
            return False
        return not may_be_shipped(row.checked_s, self.tools.settings.engine.last_check_max_age_s)

    def _now(self, row: PackageFound) -> PackageNow:
        location = self.tools.directory.locations.get(row.location)
        return PackageNow(
            state=State(row.state),
            shipment=row.status,
            document=row.document,
            is_ours=location is not None and location.is_own,
            is_closed_on_platform=row.platform_state == PlatformState.CLOSED,
            is_cancelled=row.is_cancelled,
            is_packed=row.is_packed,
            has_left=row.has_left,
            has_others=row.others > 0 and row.name != row.document_reference,
        )

    def _ask_platforms(self, rows: Sequence[PackageFound]) -> dict[int, float | Refusal]:
        """Ask about packages: when the platform allowed to ship (monotonic), or why a package may not leave."""
        if not rows:
            return {}
        checks = self._checks(rows)
        last_check, clock = LastCheck(self.tools), self.tools.clock

        async def ask(one: _Check) -> float:
            asked_at = clock.monotonic()
            await last_check.ask(one.asked)
            return asked_at

        answers = self.event_loop.run(
            call_each(
                checks,
                ask,
                at_once=self.tools.settings.engine.outside_concurrency,
                start_before=float("inf"),
                now=clock.monotonic,
            )
        )
        return {id_: answer if isinstance(answer, float) else _why_not(answer) for id_, answer in answers.items()}

    def _checks(self, rows: Sequence[PackageFound]) -> list[_Check]:
        with looking(self.tools.db) as tx:
            orders = load_orders(tx, sorted({row.order_id for row in rows}))
            pieces = load_pieces(tx, [row.package_id for row in rows])
            waivers = load_waivers(tx, [row.fulfillment_order_id for row in rows])
        checks = []
        for row in rows:
            ref = SubjectRef(
                row.package_id,
                Lane(row.lane),
                row.order_id,
                row.fulfillment_order_id,
                row.package_id,
                State(row.state),
            )
            held = {one.line_id: one.quantity for one in pieces.get(row.package_id, ())}
            let_pass = waivers.get(row.fulfillment_order_id, ())
            checks.append(_Check(ref, CheckedPackage(ref, orders[row.order_id], held, row.version, let_pass)))
        return checks

    def _take(
        self,
        position: int,
        name: str,
        rows: Sequence[PackageFound],
        answers: Mapping[int, float | Refusal],
    ) -> list[ScanResult]:
        if not rows or (len(rows) > 1 and not is_document_reference(rows[0].name)):
            code = WhyNot.PACKAGE_AMBIGUOUS if rows else WhyNot.PACKAGE_UNKNOWN
            return [ScanResult(position=position, name=name, became=Became.REFUSED, why=Reason(code))]
        results = []
        for row in rows:
            answer = answers.get(row.package_id)
            became, why = answer if isinstance(answer, tuple) else self._apply_alone(row, answer)
            results.append(
                ScanResult(
                    position=position,
                    name=name,
                    became=became,
                    why=why,
                    order=f"{row.key.account}/{row.key.platform_order_id}",
                    waybill=row.waybill,
                    package_id=row.package_id,
                )
            )
        return results

    def _apply_alone(self, seen: PackageFound, allowed_at: float | None) -> tuple[Became, Reason | None]:
        try:
            return self._apply(seen, allowed_at)
        except psycopg.OperationalError:
            raise
        except Exception as error:
            # Whatever one package raises is its own fault, and the next one is scanned already.
            log.exception("package_not_scanned", package=seen.package_id, act=str(self.act))
            return Became.UNANSWERED, Reason(UNEXPECTED, {"type": type(error).__name__})

    def _apply(self, seen: PackageFound, allowed_at: float | None) -> tuple[Became, Reason | None]:
        """Judge the package again under its lock, then take the scan as one of a feed is taken.

        `allowed_at`: when the platform allowed to ship, where it was asked for this scan.
        """
        scan, verb = _SCANS[self.act]
        with change(self.tools.db, self.author) as made:
            lock_package(made.tx, seen.package_id)
            now = find_packages(made.tx, [seen.reference], ())[seen.reference][0]
            became, why = self._judge(scan, seen, replace(now, name=seen.name))
            if became is not Became.DONE:
                made.unchanged()
                return became, why
            # Stopped is the document of the package.
            about, waybill = (now.document_reference, "") if scan is Scan.STOPPED else (now.reference, now.waybill)
            told = WarehouseEvent(f"own-{about}-{scan}", about, waybill, str(scan), self.tools.clock.utcnow())
            if allowed_at is not None:
                note_checked(made.tx, now.package_id, self.tools.clock.monotonic() - allowed_at)
            bells = apply_scans(made.tx, self.tools, STEP.name, now.location, [told])
            after = find_packages(made.tx, [seen.reference], ())[seen.reference][0]
            made.note(verb, f"package/{now.package_id}", _facts(now), _facts(after), waybill=now.waybill)
        self.tools.bells.ring(bells)
        return became, why

    def _judge(self, scan: Scan, seen: PackageFound, now: PackageFound) -> tuple[Became, Reason | None]:
        package = self._now(now)
        refused = why_not_stopped(package) if scan is Scan.STOPPED else why_refused(package)
        if code := refused:
            facts = {"holds": ", ".join(now.holds), "state": now.state, "location": now.location}
            return Became.REFUSED, Reason(code, facts)
        if is_repeat(scan, package):
            return Became.UNCHANGED, None
        if scan in ASKS_FIRST and now.version != seen.version:
            # The answer was about another content of the order.
            return Became.REFUSED, Reason(WhyNot.ORDER_CHANGES)
        return Became.DONE, None


def _spellings(name: str) -> tuple[str, str]:
    """A name as it may be stored: a scanner adds blanks, a person types small letters."""
    plain = "".join(name.split())
    return plain, plain.upper()


def _of(name: str, found: Mapping[str, list[PackageFound]]) -> Sequence[PackageFound]:
    return next((found[plain] for plain in _spellings(name) if plain in found), ())


def _why_not(error: Exception) -> Refusal:
    if isinstance(error, OrderHeldError):
        return Became.REFUSED, Reason(
            WhyNot.REFUND_OR_CHANGE, {"holds": ", ".join(str(one.code) for one in error.findings)}
        )
    if isinstance(error, OrderChangedError):
        return Became.REFUSED, Reason(WhyNot.ORDER_CHANGES)
    if isinstance(error, FulfilmentError):
        return Became.UNANSWERED, Reason(error.code, {"message": error.message})
    return Became.UNANSWERED, Reason(UNEXPECTED, {"type": type(error).__name__})


def _facts(row: PackageFound) -> dict[str, object]:
    facts = {"state": row.state, "is_packed": row.is_packed, "has_left": row.has_left}
    return facts | ({"document": row.document} if row.document else {})
