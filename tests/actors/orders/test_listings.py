"""Lines without a SKU: the map names it, orders that waited go on, and a person may let one line go."""

import pytest

from actors.orders.waiting_for_skus import WaitingForSkus, send_all_on
from domain.errors import Conflict
from domain.holds import HoldCode
from domain.listings import NOTHING, Listing
from infra.engine.author import Author
from infra.engine.worker_lock import Presence
from infra.monitoring.invariants import find_breaches
from infra.tables import listings as module
from infra.tables.listings import LISTINGS, put_entries
from infra.tables.stock import count_in
from ops.verbs.holds import release
from ops.verbs.listings import drop, put
from ops.views.listings import missing

LI = Author("li", "asked the buyer")
SHIRT, CUP = Listing("taobao", "s1", "600000000001"), Listing("taobao", "s1", "600000000777")
LATER = {"modified": "2026-11-22 09:20:00", "seller_memo": "x"}


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 100, "CUP-1": 100})
    return merchant


@pytest.fixture
def gifted(trade):
    """A trade whose gift is named in the promotion only."""
    promotion = {"promotion_id": "mjs-1_2", "promotion_name": "x", "gift_item_id": CUP.product_id, "gift_item_num": "2"}
    return lambda **changes: trade(promotion_details={"promotion_detail": [promotion]}, **changes)


def pieces(merchant):
    return dict(merchant.rows("SELECT sku, sum(quantity) FROM reservation WHERE status <> 'released' GROUP BY sku"))


def due_steps(merchant):
    return merchant.rows("SELECT step FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse')")


def lines(merchant):
    return merchant.rows("SELECT sku, fulfilled_by, replaced_sku, planned FROM order_line ORDER BY is_gift, line_id")


def test_a_gift_of_a_promotion_gets_its_sku_on_the_way_in(stocked, gifted):
    put(stocked.db, {CUP: "CUP-1"}, LI)
    stocked.deliver(gifted())
    stocked.flow("label")
    assert (stocked.states(), pieces(stocked)) == (["allocated"], {"TEE-1": 1, "CUP-1": 2})
    assert lines(stocked) == [("TEE-1", "merchant", None, 1), ("CUP-1", "merchant", "", 2)]
    assert stocked.rows("SELECT code FROM hold") == []


def test_control_without_the_map_it_is_held(stocked, gifted):
    stocked.deliver(gifted())
    stocked.flow("label")
    assert (stocked.states(), stocked.holds(), pieces(stocked)) == (["on_hold"], ["sku_unmapped"], {})


def normalize(merchant, trades):
    merchant.deliver(*trades)
    before = merchant.db.counts.statements
    merchant.run("normalize")
    return merchant.db.counts.statements - before


def test_the_map_costs_a_batch_one_statement_and_none_where_every_line_has_its_sku(stocked, trade, gifted):
    plain = normalize(stocked, [trade() for _ in range(5)])
    assert normalize(stocked, [gifted() for _ in range(5)]) == plain + 1
    put(stocked.db, {CUP: "CUP-1", SHIRT: "CUP-1"}, LI)
    assert normalize(stocked, [trade() for _ in range(5)]) == plain
    assert normalize(stocked, [*(gifted() for _ in range(4)), trade()]) == plain + 1


def test_every_order_that_waits_goes_on_in_its_lane(stocked, gifted):
    stocked.deliver(gifted(), gifted(), gifted())
    stocked.flow("review")
    ids = [row[0] for row in stocked.rows("SELECT id FROM fulfillment_order ORDER BY id")]
    lanes = list(zip(ids, ("p0", "p1", "bulk"), strict=True))
    for id_, lane in lanes:
        stocked.rows("UPDATE fulfillment_order SET lane = %s WHERE id = %s", lane, id_)
    assert missing(stocked.db).orders == 3
    changed = put(stocked.db, {CUP: "CUP-1"}, LI)
    assert (changed.added, changed.waiting, changed.going) == (1, 3, 3)
    assert stocked.rows("SELECT subject_id, lane FROM work WHERE step = 'reserve' ORDER BY subject_id") == lanes
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"] * 3, [])
    assert pieces(stocked) == {"TEE-1": 3, "CUP-1": 6}
    assert missing(stocked.db).total == 0
    kinds = stocked.rows("SELECT kind, facts->'lines'->>0 FROM event WHERE kind = 'skus_mapped'")
    assert len(kinds) == 3
    assert kinds[0][1].endswith("is CUP-1")


def test_sending_on_twice_changes_nothing(stocked, gifted):
    stocked.deliver(gifted())
    stocked.flow("review")
    put(stocked.db, {CUP: "CUP-1"}, LI)
    before = stocked.rows("SELECT * FROM order_line ORDER BY line_id"), stocked.rows("SELECT * FROM work")
    again = put(stocked.db, {CUP: "CUP-1"}, LI)
    assert (again.same, again.going) == (1, 0)
    assert (stocked.rows("SELECT * FROM order_line ORDER BY line_id"), stocked.rows("SELECT * FROM work")) == before


def test_an_unpaid_order_that_waits_is_promised_its_stock_and_goes_on_when_it_is_paid(stocked, gifted, unpaid):
    stocked.deliver(gifted(tid="1001", **unpaid))
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["pending_payment"], ["sku_unmapped"])
    assert put(stocked.db, {CUP: "CUP-1"}, LI).going == 1
    stocked.flow("review")
    assert (stocked.states(), stocked.holds(), pieces(stocked)) == (["pending_payment"], [], {"TEE-1": 1, "CUP-1": 2})
    stocked.deliver(gifted(tid="1001", **LATER))
    stocked.flow("review")
    assert (stocked.states(), stocked.holds(), pieces(stocked)) == (["approved"], [], {"TEE-1": 1, "CUP-1": 2})


def test_a_sku_that_stock_does_not_know_is_replaced_without_a_hold(stocked, trade):
    put(stocked.db, {SHIRT: "TEE-1"}, LI)
    stocked.deliver(trade(sku="OLD-CODE"))
    stocked.flow("label")
    assert (stocked.states(), pieces(stocked)) == (["allocated"], {"TEE-1": 1})
    assert lines(stocked) == [("TEE-1", "merchant", "OLD-CODE", 1)]
    assert stocked.rows("SELECT code FROM hold") == []


def test_a_sku_that_stock_knows_is_never_replaced(stocked, trade):
    put(stocked.db, {SHIRT: "CUP-1"}, LI)
    stocked.deliver(trade())
    stocked.flow("reserve")
    assert pieces(stocked) == {"TEE-1": 1}


@pytest.mark.parametrize("is_mapped_before", [True, False])
def test_a_listing_with_nothing_to_pick_is_left_out(stocked, gifted, is_mapped_before):
    if is_mapped_before:
        put(stocked.db, {CUP: NOTHING}, LI)
    stocked.deliver(gifted())
    stocked.flow("review")
    if not is_mapped_before:
        assert put(stocked.db, {CUP: NOTHING}, LI).going == 1
        stocked.flow("review")
    assert (stocked.states(), stocked.holds(), pieces(stocked)) == (["approved"], [], {"TEE-1": 1})
    assert lines(stocked) == [("TEE-1", "merchant", None, 1), ("", "nobody", "", 0)]
    assert stocked.one("SELECT fulfilled_by FROM orders") == "merchant"


def test_an_order_of_nothing_to_pick_is_nobodys_and_waits_for_its_end(stocked, trade):
    stocked.deliver(trade(sku="VOUCHER"))
    stocked.flow("review")
    assert stocked.states() == ["on_hold"]
    assert put(stocked.db, {SHIRT: NOTHING}, LI).going == 1
    assert (stocked.states(), stocked.holds(), due_steps(stocked)) == (["paid"], [], [])
    assert stocked.rows("SELECT fulfilled_by, ship_by FROM orders") == [("nobody", None)]
    stocked.deliver(trade(sku="VOUCHER"))
    stocked.flow("reserve")
    assert (stocked.states(), due_steps(stocked)) == (["paid", "paid"], []), "the same at once"


def test_what_stock_comes_to_know_goes_on_by_itself(stocked, trade):
    stocked.deliver(trade(sku="NEW"))
    stocked.flow("review")
    duty = WaitingForSkus(stocked.db)
    assert duty.run() == 0
    with stocked.db.transaction() as tx:
        count_in(tx, "east", {"NEW": 5})
    assert duty.run() == 1
    assert duty.run() == 0, "its reserve is due already"
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])


def test_a_sku_that_is_named_before_stock_knows_it_waits_for_the_count(stocked, gifted):
    stocked.deliver(gifted())
    stocked.flow("review")
    changed = put(stocked.db, {CUP: "LATER"}, LI)
    assert (changed.unknown, changed.going) == (("LATER",), 0)
    assert stocked.due("reserve") == []
    with stocked.db.transaction() as tx:
        count_in(tx, "east", {"LATER": 5})
    assert send_all_on(stocked.db) == 1
    stocked.flow("review")
    assert stocked.states() == ["approved"]


def test_a_wrong_sku_is_corrected_while_its_orders_wait(stocked, gifted):
    stocked.deliver(gifted())
    stocked.flow("review")
    put(stocked.db, {CUP: "TYPO"}, LI)
    changed = put(stocked.db, {CUP: "CUP-1"}, LI)
    assert (changed.changed, changed.going) == (1, 1)
    assert lines(stocked)[1] == ("CUP-1", "merchant", "", 2)


def test_an_order_that_has_its_skus_keeps_them_when_the_map_changes(stocked, gifted):
    put(stocked.db, {CUP: "CUP-1"}, LI)
    stocked.deliver(gifted(tid="1001"))
    stocked.flow("route")
    drop(stocked.db, CUP, LI)
    put(stocked.db, {CUP: "TEE-1"}, LI)
    stocked.deliver(gifted(tid="1001", **LATER))
    stocked.flow("normalize")
    assert (stocked.states(), stocked.holds()) == (["allocated"], [])
    assert lines(stocked)[1] == ("CUP-1", "merchant", "", 2)


def test_a_sku_that_replaced_an_unknown_one_survives_a_newer_content(stocked, trade):
    put(stocked.db, {SHIRT: "TEE-1"}, LI)
    stocked.deliver(trade(tid="1001", sku="OLD-CODE"))
    stocked.flow("route")
    stocked.deliver(trade(tid="1001", sku="OLD-CODE", **LATER))
    stocked.flow("normalize")
    assert (stocked.states(), stocked.holds(), lines(stocked)[0][0]) == (["allocated"], [], "TEE-1")


def release_unmapped(merchant):
    return release(merchant.db, merchant.one("SELECT min(id) FROM orders"), HoldCode.SKU_UNMAPPED, LI)


def test_a_person_leaves_the_line_of_one_order_out(stocked, gifted):
    stocked.deliver(gifted(tid="1001"), gifted(tid="1002"))
    stocked.flow("review")
    released = release_unmapped(stocked)
    assert (released.left_out, released.due, released.state) == ((f"gift:1:{CUP.product_id}",), ("reserve",), "paid")
    stocked.flow("review")
    assert (sorted(stocked.states()), stocked.holds()) == (["approved", "on_hold"], ["sku_unmapped"])
    assert pieces(stocked) == {"TEE-1": 1}
    assert stocked.rows("SELECT who, verb, reason, facts FROM audit WHERE verb = 'line_let_go'") == [
        ("li", "line_let_go", LI.reason, {"line": f"gift:1:{CUP.product_id}", "product": CUP.product_id})
    ]
    assert stocked.rows("SELECT facts->>'by' FROM event WHERE kind = 'lines_let_go'") == [("li",)]


def test_what_was_left_out_stays_out_with_newer_content_and_a_map(stocked, gifted):
    stocked.deliver(gifted(tid="1001"))
    stocked.flow("review")
    release_unmapped(stocked)
    put(stocked.db, {CUP: "CUP-1"}, LI)
    stocked.deliver(gifted(tid="1001", **LATER))
    stocked.flow("label")
    assert (stocked.states(), stocked.holds(), pieces(stocked)) == (["allocated"], [], {"TEE-1": 1})
    assert lines(stocked)[1] == ("", "nobody", "", 0)


def test_an_order_of_which_nothing_would_be_left_is_not_left_out(stocked, trade):
    stocked.deliver(trade(sku=""))
    stocked.flow("review")
    with pytest.raises(Conflict, match="nothing_left"):
        release_unmapped(stocked)
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["sku_unmapped"])


def test_goods_with_a_sku_that_stock_does_not_know_are_not_left_out(stocked, trade):
    stocked.deliver(trade(sku="OLD-CODE"))
    stocked.flow("review")
    assert release_unmapped(stocked).left_out == ()
    stocked.flow("review")
    assert stocked.holds() == ["sku_unmapped"], "it is promised anew"


def test_a_line_that_the_map_knows_by_now_is_not_left_out(stocked, gifted):
    stocked.deliver(gifted())
    stocked.flow("review")
    with stocked.db.transaction() as tx:
        put_entries(tx, {CUP: "CUP-1"}, "li")
    assert release_unmapped(stocked).left_out == ()
    stocked.flow("review")
    assert pieces(stocked) == {"TEE-1": 1, "CUP-1": 2}


def test_an_order_whose_newer_content_is_being_stored_is_left_to_the_next_round(stocked, gifted):
    stocked.deliver(gifted())
    stocked.flow("review")
    with stocked.db.transaction() as tx:
        tx.execute("SELECT id FROM orders FOR UPDATE")
        assert put(stocked.db, {CUP: "CUP-1"}, LI).going == 0
    assert WaitingForSkus(stocked.db).run() == 1


def stored_meanwhile(merchant):
    """A newer content that was read before the listing was mapped is stored while the map sends its order on."""
    merchant.flow("review")
    with merchant.db.transaction() as tx:
        put_entries(tx, {CUP: "CUP-1"}, "li")
    with merchant.db.transaction() as tx:
        tx.execute("SELECT id FROM orders FOR UPDATE")
        send_all_on(merchant.db)
        merchant.run("reserve")
        tx.execute("UPDATE order_line SET sku = '', replaced_sku = NULL WHERE is_gift")
    WaitingForSkus(merchant.db).run()
    merchant.flow("review")
    return merchant.states(), pieces(merchant), lines(merchant)[1][0]


def test_a_content_that_is_stored_meanwhile_takes_no_sku_away(stocked, gifted):
    stocked.deliver(gifted())
    assert stored_meanwhile(stocked) == (["approved"], {"TEE-1": 1, "CUP-1": 2}, "CUP-1")


def test_control_without_the_lock_of_the_order_it_does(stocked, gifted, monkeypatch):
    lock_ready = LISTINGS["lock_ready"].replace(b"FOR NO KEY UPDATE OF o SKIP LOCKED", b"")
    without = {**LISTINGS, "lock_ready": lock_ready}
    monkeypatch.setattr(module, "LISTINGS", without)
    stocked.deliver(gifted())
    assert stored_meanwhile(stocked) == (["on_hold"], {"TEE-1": 1, "CUP-1": 2}, "")


@pytest.mark.parametrize("sku", ["TEE-1", ""])
def test_the_invariants_hold_after_lines_were_left_out(stocked, gifted, sku):
    stocked.deliver(gifted(sku=sku))
    stocked.flow("review")
    put(stocked.db, {CUP: NOTHING, SHIRT: NOTHING}, LI)
    stocked.flow("label")
    assert stocked.one("SELECT fulfilled_by FROM orders") == ("merchant" if sku else "nobody")
    with stocked.db.connection() as connection:
        assert find_breaches(connection) == []


def test_a_part_of_which_nothing_is_left_closes_and_the_rest_of_its_order_goes_on(stocked, gifted, trade):
    """The gift came after the goods had their label, so it is a part of its own."""
    stocked.deliver(trade(tid="1001"))
    stocked.flow("label")
    stocked.deliver(gifted(tid="1001", **LATER))
    stocked.flow("review")
    assert stocked.states()[1:] == ["on_hold"]
    put(stocked.db, {CUP: NOTHING}, LI)
    assert stocked.states()[1:] == ["closed"]
    assert stocked.rows("SELECT closed_reason FROM fulfillment_order ORDER BY id")[1] == ("not_ours",)
    with stocked.db.connection() as connection:
        assert find_breaches(connection) == []


def test_other_holds_of_an_order_of_nothing_to_pick_are_free_too(stocked, trade):
    stocked.deliver(trade(sku="VOUCHER", receiver_address="待定"))
    stocked.flow("review")
    assert stocked.holds() == ["address_vague", "sku_unmapped"]
    put(stocked.db, {SHIRT: NOTHING}, LI)
    assert (stocked.states(), stocked.holds(), due_steps(stocked)) == (["paid"], [], [])


def test_nothing_is_left_out_while_a_worker_of_an_earlier_version_lives(stocked, gifted):
    stocked.deliver(gifted())
    stocked.flow("review")
    earlier = Presence(stocked.db)
    assert put(stocked.db, {CUP: NOTHING}, LI).going == 0
    drop(stocked.db, CUP, LI)
    with pytest.raises(Conflict, match="earlier_version_runs"):
        release_unmapped(stocked)
    earlier.close()
    assert put(stocked.db, {CUP: NOTHING}, LI).going == 1


def test_the_duty_goes_round_in_stretches(stocked, gifted):
    stocked.deliver(*(gifted() for _ in range(5)))
    stocked.flow("review")
    with stocked.db.transaction() as tx:
        put_entries(tx, {CUP: "CUP-1"}, "li")
    duty = WaitingForSkus(stocked.db, stretch=2)
    assert [duty.run() for _ in range(4)] == [2, 2, 1, 0]


def test_a_dead_letter_of_reserve_is_left_to_a_person(stocked, trade):
    stocked.deliver(trade(sku="NEW"))
    stocked.flow("review")
    stocked.rows(
        """INSERT INTO dead_letter
               (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes, owner, due_at)
           SELECT 'reserve', id, lane, '', 'x', 'x', '[]', 1, 0, 'x', now() FROM fulfillment_order"""
    )
    with stocked.db.transaction() as tx:
        count_in(tx, "east", {"NEW": 5})
    assert WaitingForSkus(stocked.db).run() == 0
