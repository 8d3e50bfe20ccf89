"""Receivers of Douyin orders: masked or encrypted as the platform shows them, and decrypted on demand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from adapters.payload import Fields, read_answer
from adapters.platforms.douyin.describe import DECRYPT_MAX
from domain.errors import Conflict, FulfilmentError, Malformed, Refused
from domain.order import Address, Pii

_NO_ERROR = frozenset({"", "0"})
_PARTS = 3
# Orders of one call: each has three hidden texts.
ORDERS_MAX = DECRYPT_MAX // _PARTS


class HiddenReceiver(NamedTuple):
    """The encrypted texts of one order, and where the receiver lives."""

    order_id: str
    token: str
    name: str
    phone: str
    detail: str
    place: Address


def read_receiver(order: Fields) -> Address:
    """The receiver as the platform shows it. `open_address_id` is its handle to the hidden receiver.

    Masked texts are preferred, for a person can read them; encrypted ones pass through as they are.
    """
    address = order.child("post_addr") if order.has("post_addr") else Fields({}, "post_addr")
    masked = order.child("mask_post_addr") if order.has("mask_post_addr") else Fields({}, "mask_post_addr")
    shown = (
        order.text_or("mask_post_receiver", ""),
        order.text_or("mask_post_tel", ""),
        masked.text_or("detail", ""),
    )
    hidden = (
        order.text_or("encrypt_post_receiver", ""),
        order.text_or("encrypt_post_tel", ""),
        address.text_or("encrypt_detail", ""),
    )
    plain = (order.text_or("post_receiver", ""), order.text_or("post_tel", ""), address.text_or("detail", ""))
    name, phone, detail, pii = _shown(shown, hidden, plain)
    province, city, town, street = (_place(address, masked, part) for part in ("province", "city", "town", "street"))
    return Address(
        name=name,
        phone=phone,
        province=province,
        city=city,
        district=town,
        town=street,
        detail=detail,
        pii=pii,
        merge_token=order.text_or("open_address_id", ""),
    )


def read_hidden(order: Fields, order_id: str) -> HiddenReceiver:
    """What must be decrypted of an order. Raises Refused ``receiver_not_encrypted``."""
    address = order.child("post_addr") if order.has("post_addr") else order.missing("post_addr")
    name, phone = order.text_or("encrypt_post_receiver", ""), order.text_or("encrypt_post_tel", "")
    detail = address.text_or("encrypt_detail", "")
    if not (name and phone and detail):
        raise Refused("receiver_not_encrypted", "the platform shows no encrypted receiver of this order")
    token = order.text_or("open_address_id", "")
    return HiddenReceiver(order_id, token, name, phone, detail, read_receiver(order))


def cipher_infos(asked: Sequence[HiddenReceiver]) -> list[dict[str, str]]:
    """The `cipher_infos` argument of a decryption."""
    return [
        {"auth_id": one.order_id, "cipher_text": text} for one in asked for text in (one.name, one.phone, one.detail)
    ]


def read_decrypted(body: bytes, asked: Sequence[HiddenReceiver]) -> dict[str, Address | FulfilmentError]:
    """One result for each order asked for: an address, or why there is none."""
    data = Fields(read_answer(body), "answer", Malformed).child("data")
    if not data.has("decrypt_infos"):
        data.missing("decrypt_infos")
    rows: dict[tuple[str, str], Fields] = {}
    for path, entry in data.entries("decrypt_infos"):
        try:
            row = Fields(entry, path, Malformed)
            rows[row.key("auth_id"), row.text("cipher_text")] = row
        except Malformed:
            # Nobody knows whose text this row is: the text counts as left out of the answer.
            continue
    return {one.order_id: _receiver_or_fault(one, rows) for one in asked}


def stale_token(one: HiddenReceiver, asked: str) -> Conflict | None:
    """Why a receiver is not decrypted: the order has another address now."""
    if one.token == asked:
        return None
    return Conflict("receiver_token_stale", "the order has a newer token: read it again")


def _shown(
    shown: tuple[str, str, str], hidden: tuple[str, str, str], plain: tuple[str, str, str]
) -> tuple[str, str, str, Pii]:
    if any(shown):
        return *shown, Pii.MASKED
    if any(hidden):
        return *hidden, Pii.CIPHER
    if not any(plain):
        return *plain, Pii.ABSENT
    return *plain, Pii.MASKED if "*" in "".join(plain) else Pii.PLAIN


def _place(address: Fields, masked: Fields, part: str) -> str:
    for one in (address, masked):
        if one.has(part) and (name := one.child(part).text_or("name", "")):
            return name
    return ""


def _receiver_or_fault(one: HiddenReceiver, rows: Mapping[tuple[str, str], Fields]) -> Address | FulfilmentError:
    """An error of one receiver concerns only that order."""
    try:
        return _receiver(one, rows)
    except FulfilmentError as error:
        return error


def _receiver(one: HiddenReceiver, rows: Mapping[tuple[str, str], Fields]) -> Address:
    found = {text: rows.get((one.order_id, text)) for text in (one.name, one.phone, one.detail)}
    told: dict[str, str] = {}
    for text, row in found.items():
        if row is None:
            raise Malformed("receiver_not_answered", "the answer leaves a text of this order out")
        if row.word("err_no") not in _NO_ERROR:
            raise Refused("receiver_not_revealed", "the platform does not decrypt this receiver")
        told[text] = row.text_or("decrypt_text", "")
    name, phone, detail = told[one.name], told[one.phone], told[one.detail]
    if not (name and phone and detail):
        raise Refused("receiver_not_revealed", "name, phone or address came back empty")
    of_phone = found[one.phone]
    assert of_phone is not None
    place = one.place
    return Address(
        name=name,
        phone=phone,
        province=place.province,
        city=place.city,
        district=place.district,
        town=place.town,
        detail=detail,
        merge_token=one.token,
        # If the platform does not say whose number it is, the number may belong to the platform.
        has_virtual_phone=not of_phone.denies("is_virtual_tel"),
    )
