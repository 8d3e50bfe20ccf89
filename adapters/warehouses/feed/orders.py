"""Documents in the words of the feed protocol, and the warehouse's answers to them. Pure functions."""

from collections import Counter
from typing import Any

from adapters.documents import (
    Document,
    DocumentPart,
    DocumentProgress,
    DocumentRefusedError,
    EventLine,
    Found,
    RefusalCode,
    Stop,
    Taken,
)
from adapters.foreign import code_of, sentence
from adapters.payload import Fields, read_answer
from domain.errors import Malformed
from domain.order import Address

# Parts and lines of one document.
PARTS_MAX = 200
LINES_MAX = 1_000
# Pieces of one line.
PIECES_MAX = 10_000_000

PHRASES = {
    RefusalCode.SHORT.value: "the warehouse has too few pieces",
    RefusalCode.UNKNOWN_SKU.value: "the warehouse does not keep a SKU of the document",
    RefusalCode.CAPACITY.value: "the warehouse takes no more work now",
    RefusalCode.OTHER.value: "the warehouse refuses the document",
}


def order_of(document: Document) -> dict[str, Any]:
    """The body of ``POST /orders``. What is empty is left out."""
    order: dict[str, Any] = {
        "reference": document.reference,
        "shop": document.shop,
        "lane": document.lane.value,
        "lines": [{"line": line.line, "sku": line.sku, "quantity": line.quantity} for line in document.lines],
        "packages": [
            _filled(reference=package.reference, courier=package.courier, waybill=package.waybill, label=package.label)
            for package in document.packages
        ],
    }
    order |= _filled(
        courier=document.courier,
        service=document.service,
        merge_token=document.merge_token,
        packing_group=document.packing_group,
        ship_by=document.ship_by.isoformat() if document.ship_by else "",
    )
    if document.receiver is not None:
        order["receiver"] = _receiver_of(document.receiver)
    return order


def read_taken(body: bytes, document: Document) -> Taken:
    """Answer of ``POST /orders``.

    Raises DocumentRefusedError for ``refused``; Malformed for an answer about another document, or one whose parts are
    not the document.
    """
    answer = _answer(body, document.reference)
    word = answer.word("answer")
    if word == "refused":
        raise _refused(answer)
    if word != "taken":
        raise _unknown_word(answer, "answer")
    parts = tuple(
        DocumentPart(part.key("id"), read_pieces(part, "lines", low=1))
        for part in answer.listed("parts", limit=PARTS_MAX)
    )
    if parts and _pieces(parts) != Counter({line.line: line.quantity for line in document.lines}):
        raise Malformed("parts_contradict", "the parts of the answer do not make up the document")
    return Taken(answer.key("id"), parts)


def read_stop(body: bytes, reference: str) -> Stop:
    """Answer of ``POST /stop``. Raises Malformed for a word that we do not know: nothing may be freed on it."""
    answer = _answer(body, reference)
    try:
        return Stop(answer.word("answer"))
    except ValueError:
        raise _unknown_word(answer, "answer") from None


def read_found(body: bytes, reference: str) -> Found:
    """Answer of ``GET /orders/{reference}``. Raises Malformed for a state that we do not know."""
    answer = _answer(body, reference)
    try:
        progress = DocumentProgress(answer.word("state"))
    except ValueError:
        raise _unknown_word(answer, "state") from None
    code = refusal_code(answer).value if progress is DocumentProgress.REFUSED else ""
    return Found(reference, answer.key_or("id", ""), progress, code)


def error_code(body: bytes) -> str:
    """The protocol's own error code in an answer that is no success; empty where there is none."""
    try:
        return code_of(Fields(read_answer(body), "", Malformed).word("error"))
    except Malformed:
        return ""


def refusal_code(fields: Fields, default: RefusalCode = RefusalCode.OTHER) -> RefusalCode:
    """The field `code` in our words; OTHER for a word that is none of them, `default` where it is absent."""
    word = fields.word("code")
    try:
        return RefusalCode(word) if word else default
    except ValueError:
        return RefusalCode.OTHER


def read_lines(fields: Fields) -> tuple[EventLine, ...]:
    """The list `lines`: pieces by line, planned and actual. `actual` is required: what is missing is not nothing."""
    return tuple(
        EventLine(
            row.key("line"), row.key("sku"), row.whole("planned", 0, PIECES_MAX), row.whole("actual", 0, PIECES_MAX)
        )
        for row in fields.listed("lines", limit=LINES_MAX)
    )


def read_pieces(fields: Fields, name: str, low: int) -> tuple[tuple[str, int], ...]:
    """The list `name` as pieces by line id, each line once; at least `low` pieces of each."""
    rows = tuple(
        (row.key("line"), row.whole("quantity", low, PIECES_MAX)) for row in fields.listed(name, limit=LINES_MAX)
    )
    if len({line for line, _ in rows}) < len(rows):
        fields.invalid(name)
    return rows


def _answer(body: bytes, reference: str) -> Fields:
    answer = Fields(read_answer(body), "", Malformed)
    if answer.key("reference") != reference:
        raise Malformed("answer_not_ours", "the answer speaks of another reference")
    return answer


def _unknown_word(answer: Fields, name: str) -> Malformed:
    code = "field_invalid" if answer.has(name) else "field_missing"
    return Malformed(code, f"{name} is no word of the protocol", {"field": name})


def _refused(answer: Fields) -> DocumentRefusedError:
    """The warehouse's own text may quote the receiver: it stays in the evidence of the error."""
    reason = refusal_code(answer)
    said = code_of(answer.word("code"))
    message = sentence(PHRASES, reason.value, "" if said == reason.value else said, PHRASES[RefusalCode.OTHER.value])
    return DocumentRefusedError(reason, message, read_lines(answer))


def _pieces(parts: tuple[DocumentPart, ...]) -> Counter[str]:
    pieces: Counter[str] = Counter()
    for part in parts:
        pieces.update(dict(part.lines))
    return pieces


def _receiver_of(address: Address) -> dict[str, str]:
    return _filled(
        name=address.name,
        phone=address.phone,
        province=address.province,
        city=address.city,
        district=address.district,
        town=address.town,
        detail=address.detail,
        zip_code=address.zip_code,
    )


def _filled(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
