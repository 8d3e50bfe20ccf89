"""Pages of orders among many: found by indexes, a bounded stretch at a time, and each order exactly once."""

import json
import uuid
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.errors import Refused
from domain.holds import HoldCode
from domain.money import Money
from domain.states import State
from infra.process.steps import steps_by_subject
from infra.tables.order_list import (
    ORDER_LIST,
    OrderFilter,
    choose_orders,
    find_by_names,
    load_listed,
    parts_of,
)
from infra.tables.pool import Database

ORDERS = 30_000
_FILL = Path(__file__).with_name("many_orders.sql")
MANY = ("orders", "fulfillment_order", "order_line", "receiver", "package", "shipment")


@pytest.fixture(scope="module")
def filled(stores, template_database):
    """A database of its own for all tests here: nothing in it is changed."""
    server = stores.database_url.reveal()
    name = f"many_{uuid.uuid4().hex[:16]}"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(clone.format(sql.Identifier(name), sql.Identifier(template_database)))
        with Database(make_conninfo(server, dbname=name), 2) as db:
            with db.connection() as connection:
                connection.execute("SET session_replication_role = replica")
                connection.execute(_FILL.read_bytes())
                connection.execute("SET session_replication_role = origin")
            yield db
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def tx(filled):
    with filled.connection() as connection:
        yield connection


def pages(tx, wanted, **how):
    """All pages, one after the other."""
    found, after = [], None
    for _ in range(1000):
        page = choose_orders(tx, wanted, after=after, **how)
        found.append([order_id for order_id, _ in page.ids])
        after = page.after
        if after is None:
            return found
    raise AssertionError("the pages have no end")


def ids(tx, wanted, **how):
    return [order_id for page in pages(tx, wanted, limit=50, **how) for order_id in page]


def test_pages_are_full_and_hold_each_order_once(tx):
    wanted = OrderFilter(sku="SKU-7")
    found = pages(tx, wanted, limit=25)
    assert [len(page) for page in found] == [25, 25, 10]
    assert [id_ for page in found for id_ in page] == list(range(ORDERS - 493, 0, -500))
    assert ids(tx, wanted, oldest_first=True) == list(range(7, ORDERS, 500))


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (OrderFilter(states=(State.ON_HOLD,)), lambda n: n % 1000 == 0),
        (OrderFilter(states=(State.APPROVED,)), lambda n: n % 10000 == 1),
        (OrderFilter(states=(State.ON_HOLD, State.APPROVED)), lambda n: n % 1000 == 0 or n % 10000 == 1),
        (OrderFilter(hold=HoldCode.SELLER_FLAG), lambda n: n % 2000 == 0),
        (OrderFilter(owner="li"), lambda n: n % 3000 == 0),
        (OrderFilter(owner="li", hold=HoldCode.SELLER_FLAG, shop="taobao/s0"), lambda n: n % 6000 == 0),
        (OrderFilter(has_letter=True), lambda n: n % 10000 == 500),
        (OrderFilter(has_letter=True, states=(State.ON_HOLD,)), lambda n: False),
        (OrderFilter(shop="s1", lane="p0", location="east", courier="zto"), lambda n: n % 3 == 1 and n % 28 == 0),
        (OrderFilter(courier="sf/main", sku="SKU-3", lane="p0"), lambda n: n % 500 == 3 and n % 7 == 0),
        (OrderFilter(least=Money(29_990, "CNY")), lambda n: n >= 29_990 and n % 5),
        (OrderFilter(least=Money(10, "USD"), most=Money(20, "USD")), lambda n: 10 <= n <= 20 and n % 5 == 0),
        (OrderFilter(phone="2345"), lambda n: n % 10_000 == 2345),
    ],
)
def test_a_filter_chooses_exactly_those_that_pass(tx, wanted, passes):
    expected = [n for n in range(1, ORDERS + 1) if passes(n)]
    assert ids(tx, wanted, oldest_first=True) == expected
    assert ids(tx, wanted) == expected[::-1]


def test_by_the_time_when_it_came_in(tx):
    [[now]] = tx.execute("SELECT max(created_at) FROM orders").fetchall()
    old = now - timedelta(minutes=29_990, seconds=30)
    assert ids(tx, OrderFilter(older_than=old)) == list(range(9, 0, -1))
    since = now - timedelta(minutes=5, seconds=30)
    assert ids(tx, OrderFilter(since=since)) == [ORDERS - n for n in range(6)]
    both = OrderFilter(since=now - timedelta(minutes=100.5), older_than=now - timedelta(minutes=90.5))
    assert ids(tx, both) == [ORDERS - n for n in range(91, 101)]


def test_by_the_time_when_it_is_due(tx):
    [[due]] = tx.execute("SELECT ship_by FROM orders WHERE id = 11").fetchall()
    assert ids(tx, OrderFilter(due_before=due), oldest_first=True) == list(range(1, 11))


def test_a_page_ends_when_it_has_looked_at_enough_and_goes_on_from_there(tx):
    wanted = OrderFilter(sku="no such")
    first = choose_orders(tx, wanted, limit=5, looked_max=1000)
    assert (first.ids, first.is_cut) == ((), True)
    assert first.after is not None
    assert ORDERS - 2500 < first.after < ORDERS - 900
    assert ids(tx, OrderFilter(sku="SKU-7"), looked_max=1000) == list(range(ORDERS - 493, 0, -500))
    assert ids(tx, OrderFilter(sku="SKU-7"), looked_max=1000, oldest_first=True) == list(range(7, ORDERS, 500))


def test_more_held_orders_than_are_looked_at_together(tx, monkeypatch):
    monkeypatch.setattr("infra.tables.order_list._NARROW", 4)
    expected = list(range(1000, ORDERS + 1, 1000))
    assert ids(tx, OrderFilter(states=(State.ON_HOLD,)), oldest_first=True) == expected
    assert ids(tx, OrderFilter(states=(State.ON_HOLD,))) == expected[::-1]


def test_what_is_said_of_them(tx):
    [held, left] = load_listed(tx, parts_of(tx, [1000, 999, 10**9]))
    assert (held.id, held.name, held.state, held.holds, held.hold_owner) == (
        1000,
        "taobao/s1/t1000",
        "on_hold",
        ["address_vague"],
        "service",
    )
    assert (left.id, left.worth, left.parts, left.is_booked) == (999, Money(999, "CNY"), 1, True)


def test_many_names_at_once(tx):
    names = ["7", "t8", "s0/t9", "taobao/s1/t10", "W11", "ref-12", "taobao/s2/t10", "s1", "%", "t", "9" * 18]
    assert find_by_names(tx, names) == [[7], [8], [9], [10], [11], [12], [], [], [], [], []]
    assert find_by_names(tx, []) == []


@pytest.mark.parametrize("name", ["shop", "sku", "owner", "hold", "lane", "location", "courier", "phone"])
def test_an_empty_text_is_no_filter(name):
    with pytest.raises(Refused, match="filter_malformed"):
        OrderFilter(**{name: ""})


def test_a_phone_number_stands_in_no_text_of_the_filter():
    assert "2345" not in repr(OrderFilter(phone="2345"))


_ALL = OrderFilter().named()
GIVEN = {
    "bounds": {},
    "neighbour": {"id": 777},
    "held": {"low": 1, "high": ORDERS, "hold": "seller_flag", "owner": None, "way": -1, "limit": 2000},
    "lettered": {"low": 1, "high": ORDERS, "way": -1, "limit": 2000},
    "chosen": {**_ALL, "state": "approved", "low": 29_000, "high": 29_200, "only": None},
    "chosen_of": {**_ALL, "lane": "p0", "low": 1, "high": ORDERS, "only": list(range(1000, ORDERS, 1000))},
    "chosen_by_all": {
        **_ALL,
        "shop": "s1",
        "sku": "SKU-7",
        "location": "east",
        "courier": "sf",
        "phone": "2345",
        "low": 29_000,
        "high": 29_200,
        "only": None,
    },
    "facts": {
        "order_ids": list(range(1000, 1050)),
        "part_ids": list(range(1000, 1050)),
        "beside": ["unwanted_waybill"],
        "undelivered": ["lost"],
        **steps_by_subject(),
    },
    "find_many": {"names": ["t777", "W778", "779", "s0/t780"]},
}


def scans(node):
    """(kind of node, table) of a plan."""
    if "Relation Name" in node:
        yield node["Node Type"], node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from scans(child)


@pytest.mark.parametrize("name", GIVEN)
def test_no_statement_reads_a_whole_table(tx, name):
    query = ORDER_LIST[name.removesuffix("_of").removesuffix("_by_all")].decode()
    [[[plan]]] = tx.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", GIVEN[name]).fetchall()
    whole = [table for kind, table in scans(plan["Plan"]) if kind == "Seq Scan" and table in MANY]
    assert whole == [], json.dumps(plan, indent=1)
    # The heap of the orders alone has more.
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 3000
