"""Receivers of Pinduoduo orders: masked or encrypted as the platform shows them, and decrypted on demand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from adapters.payload import Fields, read_answer
from adapters.platforms.pinduoduo import describe
from domain.errors import Conflict, FulfilmentError, Malformed, Refused
from domain.order import Address, Pii

_PARTS = 3
# Orders of one call: each has three hidden texts.
ORDERS_MAX = describe.DECRYPT_MAX // _PARTS


class PddHidden(NamedTuple):
    """The encrypted texts of one order, and where the receiver lives."""

    order_id: str
    name: str
    phone: str
    detail: str
    place: Address

    @property
    def texts(self) -> tuple[str, str, str]:
        return self.name, self.phone, self.detail


def read_receiver(order: Fields) -> Address:
    """The receiver as the platform shows it; `open_address_id` is its handle to the hidden receiver.

    Masked texts are preferred, for a person can read them; encrypted ones pass through as they are. Both are empty
    unless the order waits to be shipped and is not under review.
    """
    masked = tuple(order.text_or(name, "") for name in ("receiver_name_mask", "receiver_phone_mask"))
    masked_detail = order.text_or("receiver_address_mask", "") or order.text_or("address_mask", "")
    hidden = _ciphers(order)
    shown, pii = hidden, Pii.CIPHER if any(hidden) else Pii.ABSENT
    if any((*masked, masked_detail)):
        shown, pii = (masked[0], masked[1], masked_detail), Pii.MASKED
    return Address(
        name=shown[0],
        phone=shown[1],
        province=order.text_or("province", ""),
        city=order.text_or("city", ""),
        district=order.text_or("town", ""),
        town="",
        detail=shown[2],
        pii=pii,
        merge_token=order.text_or("open_address_id", "") or order.text_or("open_address_id_2", ""),
    )


def read_hidden(order: Fields, order_id: str, token: str) -> PddHidden:
    """What must be decrypted of an order.

    Raises Refused ``receiver_not_encrypted``, or Conflict ``receiver_token_stale`` where the order has another token
    than the one asked about.
    """
    place = read_receiver(order)
    if place.merge_token != token:
        raise Conflict("receiver_token_stale", "the order has a newer token: read it again")
    name, phone, detail = _ciphers(order)
    if not (name and phone and detail):
        raise Refused("receiver_not_encrypted", "the platform shows no encrypted receiver of this order")
    return PddHidden(order_id, name, phone, detail, place)


def data_list(asked: Sequence[PddHidden]) -> list[dict[str, str]]:
    """The `data_list` argument of a decryption."""
    return [{"data_tag": one.order_id, "encrypted_data": text} for one in asked for text in one.texts]


def read_decrypted(body: bytes, asked: Sequence[PddHidden]) -> dict[str, Address | FulfilmentError]:
    """One result for each order: an address, or why there is none. Raises Malformed for no answer to a decryption."""
    answer = Fields(read_answer(body), "", Malformed).child(describe.ENVELOPES[describe.DECRYPT])
    if not answer.has("data_decrypt_list"):
        answer.missing("data_decrypt_list")
    plain: dict[str, str] = {}
    failed: dict[str, str] = {}
    for path, entry in answer.entries("data_decrypt_list"):
        try:
            row = Fields(entry, path, Malformed)
            cipher, text = row.text("encrypted_data"), row.text_or("decrypted_data", "")
        except Malformed:
            # Which text this is cannot be read: the text counts as left out of the answer.
            continue
        error = row.word("error_code")
        if error in {"", "0"} and text:
            plain[cipher] = text
        else:
            failed[cipher] = error
    return {one.order_id: _receiver(one, plain, failed) for one in asked}


def _ciphers(order: Fields) -> tuple[str, str, str]:
    """Name, number and address as they are encrypted. Newer orders have the number in `contact_mobile` alone."""
    return (
        order.text_or("receiver_name", ""),
        order.text_or("receiver_phone", "") or order.text_or("contact_mobile", ""),
        order.text_or("receiver_address", "") or order.text_or("address", ""),
    )


def _receiver(one: PddHidden, plain: Mapping[str, str], failed: Mapping[str, str]) -> Address | FulfilmentError:
    if all(text in plain for text in one.texts):
        name, phone, detail = (plain[text] for text in one.texts)
        place = one.place
        return Address(
            name=name,
            phone=phone,
            province=place.province,
            city=place.city,
            district=place.district,
            town=place.town,
            detail=detail,
            merge_token=place.merge_token,
            # The platform does not say whose number it is: the number may belong to the platform.
            has_virtual_phone=True,
        )
    if any(text in failed for text in one.texts):
        return Refused("receiver_not_revealed", "the platform does not decrypt this receiver")
    return Malformed("receiver_not_answered", "the answer leaves this order out")
