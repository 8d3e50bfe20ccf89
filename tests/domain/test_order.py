import dataclasses

import pytest

from domain.order import LaneFacts, RawOrder


def test_no_repr_shows_personal_data(order):
    shown = repr(order(buyer_memo="请放门卫", seller_memo="老客户", receiver={"merge_token": "oaid-1"}))
    for private in ("林小满", "13800000001", "文三路", "oaid-1", "请放门卫", "老客户", "buyer-1"):
        assert private not in shown
    assert "T1" in shown


def test_a_raw_payload_does_not_show_itself():
    raw = RawOrder("T1", b"v1", b'{"receiver": "secret"}', LaneFacts())
    assert "secret" not in repr(raw)


def test_values_are_frozen(order):
    with pytest.raises(dataclasses.FrozenInstanceError):
        order().state = None
