"""A file of order lines in Olist's columns: everything in it is accounted for, and nothing ships that must not."""

import csv

import pytest

from domain.ledger_check import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

COLUMNS = (
    *("order_id", "buyer_id", "status", "purchased_at", "zip_prefix", "city", "state"),
    *("line_no", "product_id", "category", "seller_id", "price", "freight"),
)

# (order, status, lines of (seller, product, price))
ORDERS = [
    ("o01", "delivered", [("seller-a", "p1", "59.90")]),
    ("o02", "delivered", [("seller-a", "p1", "59.90"), ("seller-a", "p1", "59.90")]),
    ("o03", "shipped", [("seller-a", "p2", "120.00"), ("seller-b", "p3", "9.99")]),
    ("o04", "invoiced", [("seller-b", "p3", "9.99")]),
    ("o05", "processing", [("seller-c", "p4", "1.05")]),
    ("o06", "approved", [("seller-c", "p5", "33.00"), ("seller-c", "p4", "1.05")]),
    ("o07", "canceled", [("seller-a", "p1", "59.90")]),
    ("o08", "canceled", [("seller-a", "p2", "120.00"), ("seller-b", "p3", "9.99")]),
    ("o09", "unavailable", [("seller-b", "p6", "75.50")]),
    ("o10", "created", [("seller-c", "p5", "33.00")]),
    ("o11", "delivered", [("seller-a", "p1", "59.90"), ("seller-b", "p3", "9.99"), ("seller-c", "p4", "1.05")]),
    ("o12", "delivered", [("seller-b", "p6", "75.50")]),
]
PARTS = sum(len({seller for seller, _, _ in lines}) for _, _, lines in ORDERS)
NEVER_SHIPPED = {order for order, status, _ in ORDERS if status in {"canceled", "unavailable", "created"}}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "orders.csv"
    with path.open("w", encoding="utf-8", newline="") as open_file:
        writer = csv.writer(open_file)
        writer.writerow(COLUMNS)
        for order, status, lines in ORDERS:
            for number, (seller, product, price) in enumerate(lines, start=1):
                place = ("01310", "são paulo", "SP")
                row = (order, f"buyer-{order}", status, "2017-05-04 10:00:00", *place)
                writer.writerow((*row, number, product, "cama_mesa_banho", seller, price, "7.80"))
    return path


def test_every_order_of_the_file_is_accounted_for(play, finish, file):
    with play(0, csv=file) as demo:
        outcome = finish(demo)
        ledger = demo.stage.read("_ledger")
    comparison = outcome.comparison
    assert comparison.agrees, outcome.summary()
    # An order of several sellers is several platform orders, and counts once.
    assert len(ledger["ordered"]) == PARTS
    assert comparison.orders == len(ORDERS)
    assert comparison.verdicts[Verdict.CLOSED] == 3
    assert comparison.verdicts[Verdict.UNPAID] == 1
    assert comparison.verdicts[Verdict.DONE] + comparison.verdicts.get(Verdict.HELD, 0) == 8
    assert set(comparison.held_by_code) <= {"stock_short_paid"}
    group_of = {row["tid"]: row["group"] for row in ledger["ordered"]}
    told = {group_of[str(row["tid"])] for row in ledger["write_backs"]}
    assert told
    assert not told & NEVER_SHIPPED
    assert len(ledger["waybills"]) == len(ledger["write_backs"])
