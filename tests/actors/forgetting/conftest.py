"""A merchant whose orders end, grow old and are forgotten."""

import pytest

from infra.config.retention import Retention
from infra.retention.purge import Purge

DAYS = Retention().persons_days + Retention().transit_days + 1
PERSON = {
    "receiver_name": "林小满",
    "receiver_mobile": "13877776666",
    "receiver_address": "羽毛路 7788 号",
    "buyer_message": "请放门口 翠鸟",
    "seller_memo": "熟客林小满",
    "buyer_nick": "xiaoman-lin",
}


SUMS = """
SELECT (SELECT count(*) FROM orders), (SELECT sum(payable_minor) FROM orders), (SELECT count(*) FROM order_line),
       (SELECT count(*) FROM package), (SELECT count(*) FROM shipment WHERE status = 'booked'),
       (SELECT count(*) FROM writeback WHERE status = 'confirmed'), (SELECT count(*) FROM notice WHERE status = 'told'),
       (SELECT sum(on_hand) FROM stock_pool), (SELECT count(*) FROM raw_payload)
"""


@pytest.fixture
def purge(merchant):
    return Purge(merchant.db, Retention(), batches_max=None)


@pytest.fixture
def shipped(merchant, trade):
    """A whole chain: labelled, handed over, written back and told."""
    merchant.stock(**{"TEE-1": 50})

    def ship(count: int = 1, **changes):
        trades = [trade(**PERSON | changes) for _ in range(count)]
        merchant.deliver(*trades)
        merchant.flow("label")
        merchant.scan("packed", "handed_over")
        merchant.flow()
        return trades

    return ship


@pytest.fixture
def age(merchant):
    """Let days pass for everything stored so far."""

    def pass_(days: int = DAYS) -> None:
        for table, columns in {
            "orders": ("created_at",),
            "raw_payload": ("received_at",),
            "fulfillment_order": ("finished_at",),
            "package": ("handed_over_at", "packed_at"),
            "warehouse_page": ("received_at",),
            "early_scan": ("noticed_at",),
            "event": ("at",),
            "pull_gap": ("noticed_at",),
            "dead_letter": ("opened_at", "closed_at"),
        }.items():
            moved = ", ".join(f"{column} = {column} - make_interval(days => {days})" for column in columns)
            merchant.rows(f"UPDATE {table} SET {moved}")  # noqa: S608 - our own tables

    return pass_


@pytest.fixture
def person():
    """Fields of a trade that name somebody."""
    return PERSON


@pytest.fixture
def persons(merchant):
    """What is left of anybody: receivers, buyers, memos and bodies."""
    return lambda: merchant.one(
        """SELECT (SELECT count(*) FROM receiver WHERE name || phone || detail <> '')
             + (SELECT count(*) FROM orders WHERE buyer_id || buyer_memo || seller_memo <> '')
             + (SELECT count(*) FROM raw_payload WHERE octet_length(body) > 0)"""
    )


@pytest.fixture
def sums(merchant):
    """What reports count."""
    return lambda: merchant.rows(SUMS)


@pytest.fixture
def forgotten(merchant, shipped, age, purge):
    """An order whose person is gone, as its platform had it."""
    [kept] = shipped()
    age()
    assert purge.run()["persons"] == 1
    return kept
