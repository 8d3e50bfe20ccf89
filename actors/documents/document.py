"""The document of a fulfillment order, built from its lines and packages; and what a warehouse's no says of it."""

from collections.abc import Sequence

from adapters.documents import Document, DocumentLine, DocumentPackage, EventLine
from domain.dispatch import DocumentRefusal, code_of
from domain.order import Lane, Order
from infra.tables.placements import KnownPackage, Pieces, UndispatchedRow


def document_of(
    reference: str, order: Order, row: UndispatchedRow, packages: Sequence[KnownPackage], pieces: Sequence[Pieces]
) -> Document:
    """The document for the warehouse, without the plain receiver. It names the packages that orderlane has booked."""
    skus = {line.line_id: line.sku for line in order.lines}
    return Document(
        reference=reference,
        shop=order.key.account,
        lines=tuple(DocumentLine(one.line_id, skus.get(one.line_id, ""), one.quantity) for one in pieces),
        packages=tuple(
            DocumentPackage(package.reference or "", package.courier, package.waybill or "", package.sort_code)
            for package in packages
            if package.is_booked
        ),
        courier=row.courier,
        service=row.service,
        merge_token=order.receiver.merge_token,
        lane=Lane(row.lane),
        ship_by=order.ship_by,
    )


def refusal_of(code: str, lines: Sequence[EventLine] = (), text: str = "") -> DocumentRefusal:
    """A warehouse's no, by its code and, where it says so, the lines at fault."""
    missing: dict[str, int] = {}
    for line in lines:
        if line.sku and line.actual < line.planned:
            missing[line.sku] = missing.get(line.sku, 0) + line.planned - line.actual
    return DocumentRefusal(code_of(code), missing, text)
