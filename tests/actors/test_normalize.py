import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

STEP_PAID = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_NOPAID"}
UNPAID = {"status": "WAIT_BUYER_PAY", "pay_time": None}
LATER = "2026-11-22 11:00:00"


def test_a_paid_order_is_admitted_whole(merchant, trade):
    merchant.deliver(trade(tid="1001", pieces=3, buyer_message="快点 🙏"))
    assert merchant.run("normalize") == 1
    assert merchant.states() == ["paid"]
    assert merchant.rows("SELECT platform_order_id, payable_minor, buyer_memo FROM orders") == [
        ("1001", 3000, "快点 🙏")
    ]
    assert merchant.rows("SELECT sku, quantity FROM order_line") == [("TEE-1", 3)]
    assert merchant.rows("SELECT city, pii, merge_token FROM receiver") == [("杭州市", "masked", "oaid-1")]
    assert [
        step for (step,) in merchant.rows("SELECT step FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse')")
    ] == ["reserve"]
    assert merchant.one("SELECT ship_by IS NOT NULL FROM orders")


@pytest.mark.parametrize(
    ("changes", "entered"),
    [
        (UNPAID, ("pending_payment", [], True)),
        ({**UNPAID, **STEP_PAID}, ("pending_payment", ["presale_balance_open"], True)),
        ({"status": "WAIT_BUYER_CONFIRM_GOODS"}, ("closed", [], False)),
        ({"status": "TRADE_CLOSED"}, ("closed", [], False)),
        ({"status": "TRADE_FINISHED"}, ("closed", [], False)),
    ],
)
def test_an_order_enters_in_the_state_that_its_platform_proposes(merchant, trade, changes, entered):
    merchant.deliver(trade(**changes))
    merchant.run("normalize")
    [state] = merchant.states()
    assert (state, merchant.holds(), bool(merchant.due("reserve"))) == entered


def test_an_order_that_somebody_else_shipped_since_we_know_the_shop_waits_for_a_person_and_takes_no_stock(
    merchant, trade
):
    merchant.rows("UPDATE shop SET created_at = '2020-01-01'")
    merchant.deliver(trade(status="WAIT_BUYER_CONFIRM_GOODS"))
    merchant.run("normalize")
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["shipped_elsewhere"])
    assert merchant.due("reserve") == []


def test_one_order_twice_in_a_batch_is_one_order_with_the_newest_content(merchant, trade):
    newest = trade(tid="1001", modified=LATER, seller_memo="newest")
    merchant.deliver(trade(tid="1001", seller_memo="first"), source="pull")
    merchant.deliver(newest, source="webhook")
    merchant.deliver(trade(tid="1001", modified="2026-11-22 10:00:00", seller_memo="between"))
    assert merchant.run("normalize") == 3
    assert merchant.rows("SELECT seller_memo FROM orders") == [("newest",)]
    assert len(merchant.states()) == 1
    assert merchant.due("normalize") == []


def test_an_older_content_changes_nothing(merchant, trade):
    merchant.deliver(trade(tid="1001", modified=LATER, seller_memo="newest"))
    merchant.run("normalize")
    merchant.deliver(trade(tid="1001", seller_memo="old"))
    merchant.run("normalize")
    assert merchant.rows("SELECT seller_memo FROM orders") == [("newest",)]


def test_a_payload_that_cannot_be_read_is_a_dead_letter_and_its_neighbours_are_admitted(merchant, trade):
    merchant.deliver(trade(), trade(), trade())
    sick = merchant.one("SELECT min(id) + 1 FROM raw_payload")
    merchant.rows("UPDATE raw_payload SET body = %s WHERE id = %s", b'{"trade": {"tid_str": "1", ', sick)
    merchant.run("normalize")
    assert merchant.states() == ["paid", "paid"]
    assert merchant.letters() == [("normalize", "payload_truncated")]
    assert merchant.holds() == []


def test_the_same_order_from_eight_threads_at_once_is_one_of_everything(merchant, trade):
    """Pull, replay and duplicate page deliver it, and eight workers normalize and reserve at once."""
    merchant.stock(**{"TEE-1": 10})
    one = trade(tid="1001", pieces=2)
    start = threading.Barrier(8, timeout=20)

    def deliver_and_work(_):
        start.wait()
        merchant.deliver(one)
        merchant.run("normalize")
        merchant.run("reserve")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(deliver_and_work, range(8)))
    merchant.flow()
    counts = "SELECT (SELECT count(*) FROM raw_payload), (SELECT count(*) FROM orders), (SELECT count(*) FROM package)"
    assert merchant.rows(counts) == [(1, 1, 1)]
    assert merchant.counters() == (10, 0, 2)
    assert len(merchant.courier.waybills) == 1


def test_contents_of_one_new_order_in_two_workers_at_once_are_one_order(merchant, trade):
    for modified in ("2026-11-22 10:00:00", LATER):
        merchant.deliver(trade(tid="1001", modified=modified, seller_memo=modified))
    start = threading.Barrier(2, timeout=20)
    runner = merchant.runners["normalize"]
    single = replace(runner, batch_max=1)
    key = merchant.bells.keys[0]

    def work(_):
        start.wait()
        return single.run(key)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    merchant.run("normalize")
    assert merchant.rows("SELECT seller_memo FROM orders") == [(LATER,)]
    assert len(merchant.states()) == 1


def test_a_line_twice_is_refused_as_a_whole(merchant, trade):
    bad = trade()
    bad["orders"]["order"] *= 2
    merchant.deliver(bad)
    merchant.run("normalize")
    assert [step for step, _ in merchant.letters()] == ["normalize"]
    assert merchant.states() == []
