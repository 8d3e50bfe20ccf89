"""A witness of what becomes of each piece: it sees what platform, courier and warehouses answer."""

from collections import Counter
from collections.abc import Iterable

from domain.holds import HoldCode
from domain.order import OrderKey
from domain.references import base_of, order_base
from domain.rules import RefundScope
from sandbox.documents import Document
from sandbox.ledger import WriteBack
from sandbox.model import Ships
from sandbox.sending import HOLD_MARKS
from sandbox.trades import CLOSED, CLOSED_UNPAID, OPEN_REFUNDS, PART_SHIPPED, SHIPPED, TO_SHIP, UNPAID, Sender, Trade
from sandbox.waybills import Waybill
from sandbox.world import World

# The platform was asked at most so long before a document was placed, and the call took its time too.
CHECKED_S = 90.0 + 60.0


class Witness:
    """Watches platform and courier while they answer: each piece at the moment it is labelled, or told of.

    `scope`: what a refund that is asked holds. `let_pass`: lines in refund, and orders that the platform holds, whose
    hold a person has released. `wrongs`: what was seen that must never be.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.scope = RefundScope.ORDER
        self.let_pass: set[str] = set()
        self.wrongs: list[str] = []
        self._waybills = 0
        self._write_backs = 0
        self._documents: dict[str, int] = {}

    def look(self) -> None:
        """Whenever somebody has answered."""
        for name, book in self.world.warehouses.books.items():
            for document in book.all[self._documents.get(name, 0) :]:
                self._see_document(document)
            self._documents[name] = len(book.all)
        for waybill in list(self.world.waybills.by_number.values())[self._waybills :]:
            self._see_label(waybill)
            self._waybills += 1
        for said in self.world.ledger.write_backs[self._write_backs :]:
            self._see_telling(said)
            self._write_backs += 1

    def trade_of(self, waybill: Waybill) -> Trade:
        """A waybill that a warehouse has booked carries the pieces of its document."""
        return self.trade_of_reference(waybill.booking.document or waybill.booking.reference)

    def trade_of_reference(self, reference: str) -> Trade:
        base = base_of(reference)
        return next(one for one in self.world.book.trades.values() if order_base(_key(one)) == base)

    def living(self, trade: Trade) -> Counter[str]:
        """Pieces by title in packages with a living waybill, without those that a warehouse has refused."""
        pieces: Counter[str] = Counter()
        for waybill in self.world.waybills.by_number.values():
            if waybill.is_alive and self.trade_of(waybill) is trade and not self._is_refused(waybill):
                pieces.update(cargo_of(waybill))
        return pieces

    def _is_refused(self, waybill: Waybill) -> bool:
        """Whether no warehouse will hand the package over: its pieces go in another one, its waybill is a person's."""
        documents = [
            document
            for book in self.world.warehouses.books.values()
            for document in book.all
            if any(package.waybill == waybill.number for package in document.order.packages)
        ]
        return bool(documents) and not waybill.is_collected and all(one.state == "refused" for one in documents)

    def in_documents(self, trade: Trade) -> Counter[str]:
        """Pieces by title that warehouses ship, or have shipped, for a trade."""
        titles = {str(oid): line.sku.title for oid, line in trade.lines}
        pieces: Counter[str] = Counter()
        for book in self.world.warehouses.books.values():
            for document in book.all:
                if not document.is_over and self.trade_of_reference(document.reference) is trade:
                    for line in document.order.lines:
                        pieces[titles[line.line]] += line.quantity - document.short[line.line]
        return pieces

    def wrong_with_pieces(self) -> list[str]:
        """With what is in living packages and documents beyond what was sold."""
        too_many = [
            f"{trade.order.tid}: {count} {title} in documents, {sold_of(trade)[title]} sold"
            for trade in self.world.book.trades.values()
            for title, count in self.in_documents(trade).items()
            if count > sold_of(trade)[title]
        ]
        return [*self.wrongs, *too_many] + [
            f"{trade.order.tid}: {count} {title} labelled, {sold_of(trade)[title]} sold"
            for trade in self.world.book.trades.values()
            for title, count in self.living(trade).items()
            if count > sold_of(trade)[title]
        ]

    def untold(self) -> list[str]:
        """Lines of open trades that the merchant ships and that are not written back with all their pieces."""
        told = self._pieces_told(self.world.ledger.write_backs)
        return [
            str(oid)
            for trade in self.world.book.trades.values()
            if trade.status in {TO_SHIP, PART_SHIPPED, SHIPPED}
            for oid, line in trade.lines
            if line.is_ours and oid not in trade.gone and told[oid] < line.quantity
        ]

    def shows_no(self, code: str, tid: str) -> bool:
        """Whether nothing of the trade, as the platform has it now, is a reason for such a hold."""
        trade = self.world.book.trades[int(tid)]
        if code == HoldCode.PLATFORM_HOLD:
            return not any(trade.marks.get(mark) for mark in HOLD_MARKS)
        if code == HoldCode.REFUND_REQUESTED:
            return not (
                trade.closed or trade.status in {CLOSED, CLOSED_UNPAID} or OPEN_REFUNDS & {*trade.refunds.values()}
            )
        if code == HoldCode.SHIPPED_ELSEWHERE:
            return all(one.by is Sender.API for one in trade.shipments.values())
        return False

    def _pieces_told(self, write_backs: Iterable[WriteBack]) -> Counter[int]:
        """Pieces by line id: a write-back without pieces tells of a whole line."""
        pieces: Counter[int] = Counter()
        for said in write_backs:
            for oid, line in self.world.book.trades[said.tid].lines:
                if oid in said.line_ids:
                    part = said.pieces_of(oid)
                    pieces[oid] += line.quantity if part is None else part
        return pieces

    def _see_document(self, document: Document) -> None:
        """What a warehouse is given was wanted when the platform was last asked about it."""
        trade = self.trade_of_reference(document.reference)
        gone = {str(oid) for oid, at in trade.gone.items() if at < document.at - CHECKED_S}
        if unwanted := gone & {line.line for line in document.order.lines}:
            self.wrongs.append(f"{document.reference}: placed, and {unwanted} are not the merchant's to ship")

    def _see_label(self, waybill: Waybill) -> None:
        if waybill.booking.document:
            # Of what has become unwanted since its document was placed, the warehouse cannot know.
            return
        trade = self.trade_of(waybill)
        name = f"{waybill.number} of {trade.order.tid}"
        refunds = {
            oid
            for oid, line in trade.lines
            if line.is_ours and trade.refunds.get(oid) in OPEN_REFUNDS and str(oid) not in self.let_pass
        }
        if refunds and self.scope is RefundScope.ORDER:
            self.wrongs.append(f"{name}: labelled, and a refund is open for {refunds}")
        if any(trade.marks.get(mark) for mark in HOLD_MARKS) and str(trade.order.tid) not in self.let_pass:
            self.wrongs.append(f"{name}: labelled, and the platform holds it")
        gone, wanted, free = Counter[str](), Counter[str](), Counter[str]()
        for oid, line in trade.lines:
            is_over = oid in trade.gone or trade.status in {UNPAID, CLOSED, CLOSED_UNPAID}
            (gone if is_over or line.ships is not Ships.MERCHANT else wanted)[line.sku.title] += line.quantity
            if not is_over and oid not in refunds:
                free[line.sku.title] += line.quantity
        before = self.living(trade) - cargo_of(waybill)
        for title, count in cargo_of(waybill).items():
            left = wanted[title] - max(0, before[title] - gone[title])
            if count > left:
                self.wrongs.append(f"{name}: {count} {title} labelled, {left} wanted")
            if count > free[title]:
                self.wrongs.append(f"{name}: {count} {title} labelled, {free[title]} without a refund")

    def _see_telling(self, said: WriteBack) -> None:
        """Pieces of one line may go in several packages: each package is told once, of no more than it holds."""
        trade = self.world.book.trades[said.tid]
        lines = {oid: line for oid, line in trade.lines if oid in said.line_ids}
        earlier = self.world.ledger.write_backs[: self._write_backs]
        told = self._pieces_told([*earlier, said])
        of_number = {oid for one in earlier if one.number == said.number for oid in one.line_ids}
        if again := {oid for oid, line in lines.items() if oid in of_number or told[oid] > line.quantity}:
            self.wrongs.append(f"{said.tid}: told again of {again}")
        if gone := trade.gone.keys() & lines:
            self.wrongs.append(f"{said.tid}: told of {gone}, which are not the merchant's to ship any more")
        waybill = self.world.waybills.by_number.get(said.number)
        pieces = Counter[str]()
        for oid, count in self._pieces_told([said]).items():
            pieces[lines[oid].sku.title] += count
        if waybill is None or not waybill.is_alive or pieces - cargo_of(waybill):
            self.wrongs.append(f"{said.tid}: told of {dict(pieces)}, which {said.number} does not carry")


def _key(trade: Trade) -> OrderKey:
    return OrderKey("taobao", trade.order.shop, str(trade.order.tid))


def cargo_of(waybill: Waybill) -> Counter[str]:
    """Pieces by title, as the label says."""
    pieces: Counter[str] = Counter()
    for title, count in waybill.booking.cargo:
        pieces[title] += count
    return pieces


def sold_of(trade: Trade) -> Counter[str]:
    """Pieces by title."""
    pieces: Counter[str] = Counter()
    for _, line in trade.lines:
        pieces[line.sku.title] += line.quantity
    return pieces
