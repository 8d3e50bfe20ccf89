"""An address that a person corrects, and for how long the correction holds."""

from dataclasses import replace

import pytest

from domain.corrected_addresses import corrected, fingerprint, keep_corrected
from domain.errors import Refused
from domain.order import Address, Pii

PLAIN = Address("张三", "13800000001", "浙江省", "杭州市", "西湖区", "", "文三路 1 号", "310000")
HIDDEN = replace(PLAIN, name="张**", phone="*******0001", detail="文三路***", pii=Pii.MASKED, merge_token="oaid-1")
GIVEN = {"name": "张三", "phone": "13800000001", "detail": "文一路 9 号"}


def test_fields_that_are_not_named_stay():
    assert corrected(PLAIN, {"detail": " 文一路 9 号 "}) == replace(PLAIN, detail="文一路 9 号")


def test_of_a_hidden_receiver_only_the_region_stays():
    now = corrected(HIDDEN, GIVEN)
    assert (now.pii, now.merge_token, now.city, now.detail) == (Pii.PLAIN, "", "杭州市", "文一路 9 号")


@pytest.mark.parametrize(
    ("receiver", "given", "code"),
    [
        (HIDDEN, {"detail": "文一路 9 号"}, "address_incomplete"),
        (PLAIN, {"phone": " "}, "address_incomplete"),
        (PLAIN, {"street": "x"}, "address_malformed"),
        (PLAIN, {"detail": "a\x1b[2J"}, "address_malformed"),
        (PLAIN, {"detail": "x" * 201}, "address_malformed"),
        (PLAIN, {"detail": PLAIN.detail}, "address_unchanged"),
    ],
)
def test_what_no_label_can_hold_is_refused(receiver, given, code):
    with pytest.raises(Refused, match=code) as caught:
        corrected(receiver, given)
    assert "文一路" not in str(caught.value.facts)


def test_the_correction_holds_while_the_platform_says_the_same(order):
    old = replace(order(), receiver=corrected(HIDDEN, GIVEN), corrected_from=fingerprint(HIDDEN))
    kept = keep_corrected(old, replace(order(), receiver=HIDDEN, buyer_memo="soon please"))
    assert (kept.receiver, kept.corrected_from, kept.buyer_memo) == (old.receiver, old.corrected_from, "soon please")


def test_a_later_address_of_the_platform_wins(order):
    old = replace(order(), receiver=corrected(HIDDEN, GIVEN), corrected_from=fingerprint(HIDDEN))
    newer = replace(order(), receiver=replace(HIDDEN, merge_token="oaid-2"))
    assert keep_corrected(old, newer) == newer


def test_without_a_correction_the_platform_s_address_is_taken(order):
    newer = replace(order(), receiver=HIDDEN)
    assert keep_corrected(order(), newer) is newer
