import json

import pytest

from domain.errors import Refused
from sandbox.control import pull

ODD = "1e99999999999999999999"


@pytest.fixture
def do(now):
    return lambda world, **fields: pull(world, json.dumps(fields).encode(), now)


def test_what_a_trade_shows_is_replaced_as_it_stands(world, do, now):
    sku = world.plan.catalogue[0].sku.code
    tid = do(world, do="add_order", shop=world.plan.shops[0].name, lines=[{"sku": sku}])["tid"]
    do(world, do="spoil_trade", tid=tid, fields={"payment": ODD})
    shown = world.platform._fullinfo(world.plan.shops[0].name, {"fields": "tid,payment", "tid": tid}, now)
    assert bytes(shown["trade"]["payment"]).decode() == ODD


@pytest.mark.parametrize(
    "command",
    [
        {"do": "spoil_trade", "tid": "1", "fields": {}},
        {"do": "spoil_trade", "tid": "x", "fields": {}},
        {"do": "spoil_scans", "reference": "NOBODY"},
        {"do": "spoil_stock", "location": "nowhere", "rows": []},
    ],
)
def test_what_is_not_there_cannot_be_spoiled(world, do, command):
    with pytest.raises(Refused):
        do(world, **command)
