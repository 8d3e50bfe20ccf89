"""Write-backs in a bulk act: the preview says which of them nobody would be told of."""

import pytest

from domain.errors import Conflict, Refused
from domain.holds import HoldCode
from infra.engine.author import Author
from ops.verbs.bulk_acts import NamedItem, confirm, draft
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from ops.verbs.many import VERBS

LI = Author("li", "the platform works again")
RETRY = VERBS["writeback.retry"]


@pytest.fixture
def refused(make_merchant, trade):
    """An order in the house whose tracking number the platform has refused."""
    merchant = make_merchant(ship_on="label")
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    merchant.platform.errors = {"tell": [Refused("closed")]}
    merchant.run("writeback")
    assert (merchant.states(), merchant.holds()) == (["allocated"], ["writeback_refused"])
    return merchant


def test_one_of_a_held_order_is_foreseen_as_held_and_its_release_puts_it_back(refused):
    """The preview had promised that it would be put back, and nothing was told."""
    order_id, package_id = refused.one("SELECT id FROM orders"), refused.one("SELECT id FROM package")

    def preview():
        return draft(refused.db, RETRY, {}, [NamedItem(1, package_id)], chosen={"names": 1}, author=LI)

    hold(refused.db, order_id, HoldCode.MANUAL, LI)
    bulk = preview()
    assert bulk.foreseen == {"order_held": 1}
    with pytest.raises(Refused):
        confirm(refused.db, bulk.id, bulk.token, LI)
    with pytest.raises(Conflict) as caught:
        RETRY.prepare(refused.db, package_id, {}, LI)
    assert (caught.value.code, refused.holds()) == ("order_held", ["manual", "writeback_refused"])
    release(refused.db, order_id, HoldCode.MANUAL, LI)
    assert preview().foreseen == {"put_back": 1}
