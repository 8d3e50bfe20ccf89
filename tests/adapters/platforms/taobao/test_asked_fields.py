"""TOP returns what is asked for and nothing else: whatever a reader looks at must be named in its call."""

import pytest

from adapters.payload import Fields
from adapters.platforms.taobao import answers, describe
from adapters.platforms.taobao.trade import order_of

# Looked at where a sender adds them; TOP's structures do not have them.
NOT_OF_TOP = {"service_orders.refund_status"}


class Watched(dict):
    """An object that notes which of its members are looked at. `path`: the lists around it."""

    def __init__(self, tree, seen, path=""):
        super().__init__({name: watch(value, seen, f"{path}{name}") for name, value in tree.items()})
        self.seen, self.path = seen, path

    def get(self, name, default=None):
        self.seen.add(f"{self.path}{name}")
        return super().get(name, default)

    def __getitem__(self, name):
        self.seen.add(f"{self.path}{name}")
        return super().__getitem__(name)

    def __contains__(self, name):
        self.seen.add(f"{self.path}{name}")
        return super().__contains__(name)


def watch(value, seen, path):
    if isinstance(value, dict):
        return Watched(value, seen, f"{path}.")
    return [watch(part, seen, path) for part in value] if isinstance(value, list) else value


@pytest.fixture
def whole(trade):
    """Trades that lead every reader to every field it knows."""
    service = {"oid": 90, "payment": None, "total_fee": "0.00"}
    gift = {"gift_item_id": "77"}
    bare = {"divide_order_fee": None, "total_fee": None, "outer_sku_id": None}
    cod = {"type": "cod", "cod_status": "NEW_CREATED", "cod_fee": "1.00", "seller_cod_fee": "1.00"}
    step = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_NOPAID"}
    beside = {"service_orders": [service], "promotion_details": [gift], "receiver_mobile": "", "buyer_open_uid": ""}
    marks = {"is_force_wlb": True, "receipt_type": "OTHER", "o2o": "crm", "is_sh_ship": "?", "is_force_dc": "?"}
    trees = [
        trade(),
        trade([bare, bare], **beside, **cod),
        trade([bare], **beside, **step, **marks),
        trade([{"special_refund_type": "cashBack"}], tid_str="10", seller_flag=1, trade_attr="{}"),
    ]
    return [{**tree, "orders": tree["orders"]["order"]} for tree in trees]


def names(fields):
    return set(fields.split(","))


def test_every_field_that_is_read_of_a_trade_is_asked_for(whole):
    seen = set()
    for tree in whole:
        order_of(Fields(Watched(tree, seen), "trade"), "flagship")
    # Of promotions TOP gives all there is.
    read = {name for name in seen if not name.startswith("promotion_details.")}
    assert len(read) > 60, "the readers were watched"
    assert read - names(describe.TRADE_FIELDS) - NOT_OF_TOP == set()


def test_and_of_a_status(whole):
    seen = set()
    for tree in whole:
        trade = Fields(Watched(tree, seen), "trade")
        answers.state_of(trade)
        for sub in trade.listed("orders"):
            answers.refund_of(sub)
    assert "orders.refund_status" in seen
    assert seen - {"orders"} - names(describe.STATUS_FIELDS) == set()


def test_nothing_is_asked_for_twice():
    for fields in (describe.TRADE_FIELDS, describe.STATUS_FIELDS):
        assert len(names(fields)) == len(fields.split(","))


def test_the_token_comes_only_beside_these():
    assert names(describe.TRADE_FIELDS) >= {
        *("receiver_name", "receiver_address", "created", "receiver_mobile", "receiver_phone"),
    }
