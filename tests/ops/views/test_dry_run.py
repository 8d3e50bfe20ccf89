import io
import tracemalloc
from types import SimpleNamespace

import msgspec
import pytest

from adapters.payload import PAYLOAD_MAX_BYTES
from domain.errors import Misconfigured, Poison
from infra.config.rules import load_rules
from ops.faces.terminal.dry_run import dry_run_tree
from ops.views.dry_run import normalize, read_bounded


@pytest.fixture(scope="session")
def rules():
    return load_rules()


def test_a_sound_order_enters_as_paid_and_knows_its_clock(trade, rules) -> None:
    result = normalize(trade(), "taobao", "main", rules)
    tree = dry_run_tree(result)
    assert tree["intake"] == {"state": "paid", "reason": ""}
    assert tree["holds"] == []
    assert tree["key"] == {"platform": "taobao", "shop": "main", "platform_order_id": "1001"}
    assert tree["totals"]["payable"] == {"minor": 2500, "currency": "CNY"}
    assert tree["ship_by"] is not None
    assert msgspec.json.encode(tree)


def test_sums_that_do_not_add_up_would_hold_it(trade, rules) -> None:
    (hold,) = dry_run_tree(normalize(trade(payment="24.00", total_fee="25.00"), "taobao", "main", rules))["holds"]
    assert (hold["code"], hold["owner"]) == ("amount_mismatch", "finance")
    assert hold["facts"]


def test_an_order_shipped_by_somebody_else_would_be_held(trade, rules) -> None:
    tree = dry_run_tree(normalize(trade(status="WAIT_BUYER_CONFIRM_GOODS"), "taobao", "main", rules))
    assert tree["intake"]["state"] == "on_hold"
    assert [hold["code"] for hold in tree["holds"]] == ["shipped_elsewhere"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"refund_status": None}, "refund_unknown"),
        ({"refund_status": "SELLER_REFUSE_BUYER"}, "refund_requested"),
        ({"outer_sku_id": None, "outer_iid": None}, "sku_unmapped"),
    ],
)
def test_what_review_would_hold_is_said(trade, rules, changes, code) -> None:
    whole = msgspec.json.decode(trade())
    for line in whole["trade_fullinfo_get_response"]["trade"]["orders"]["order"]:
        line.update(changes)
    tree = dry_run_tree(normalize(msgspec.json.encode(whole), "taobao", "main", rules))
    assert [hold["code"] for hold in tree["holds"]] == [code]


def test_an_unknown_platform_is_named_with_the_known_ones(trade, rules) -> None:
    with pytest.raises(Misconfigured, match="taobao") as caught:
        normalize(trade(), "ebay", "main", rules)
    assert caught.value.code == "platform_unknown"


def test_a_defect_of_the_reader_is_a_payload_that_cannot_be_read(trade, rules, monkeypatch) -> None:
    def read(_body, _shop):
        raise ZeroDivisionError("13812345678")

    monkeypatch.setattr("ops.views.dry_run.registry.platform", lambda _: SimpleNamespace(read_order=read))
    with pytest.raises(Poison) as caught:
        normalize(trade(), "taobao", "main", rules)
    assert (caught.value.code, caught.value.facts) == ("reader_failed", {"error": "ZeroDivisionError"})
    assert caught.value.__cause__ is None
    assert "13812345678" not in str(caught.value)


class Endless(io.RawIOBase):
    """A file without an end; counts what is taken of it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self.taken += len(buffer)
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


def test_no_more_is_read_than_a_payload_may_have() -> None:
    source = Endless()
    tracemalloc.start()
    try:
        with pytest.raises(Poison) as caught:
            read_bounded(io.BufferedReader(source))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == "payload_too_large"
    assert source.taken <= PAYLOAD_MAX_BYTES + 64 * 1024
    assert peak < 3 * PAYLOAD_MAX_BYTES


def test_a_payload_of_just_the_allowed_size_is_read() -> None:
    assert len(read_bounded(io.BytesIO(b"x" * PAYLOAD_MAX_BYTES))) == PAYLOAD_MAX_BYTES
