import msgspec
import pytest

from domain.errors import Misconfigured
from sandbox.amounts import amounts_of
from sandbox.model import Expected
from sandbox.olist import read
from sandbox.stream import plan

HEADER = (
    "order_id,buyer_id,status,purchased_at,approved_at,handed_to_carrier_at,delivered_at,zip_prefix,city,state,"
    "line_no,product_id,category,weight_g,seller_id,seller_state,price,freight"
)
ROWS = [
    "o1,b1,delivered,2018-01-01 10:00:00,,,,01310,sao paulo,SP,1,p1,toys,300,s1,SP,39.9,8.72",
    "o1,b1,delivered,2018-01-01 10:00:00,,,,01310,sao paulo,SP,2,p1,toys,300,s1,SP,39.9,8.72",
    "o1,b1,delivered,2018-01-01 10:00:00,,,,01310,sao paulo,SP,3,p2,,,s2,RJ,100.0,15.0",
    "o2,b2,canceled,2018-01-02 10:00:00,,,,20000,niteroi,RJ,1,p1,toys,300,s1,SP,39.9,9.0",
    "o3,b3,created,2018-01-03 10:00:00,,,,20000,niteroi,RJ,1,p3,books,300,s1,SP,5,0",
    "o4,b1,unavailable,2018-01-04 10:00:00,,,,01310,sao paulo,SP,1,p3,books,300,s2,SP,5,0.01",
]


@pytest.fixture
def write(tmp_path):
    def make(*rows: str, header: str = HEADER):
        file = tmp_path / "orders.csv"
        file.write_text("\n".join([header, *rows]) + "\n")
        return file

    return make


def test_an_order_of_two_sellers_becomes_two_that_share_a_group(write):
    orders = [order for order in read(write(*ROWS), 0) if order.group == "o1"]
    assert [order.shop for order in orders] == ["s1", "s2"]
    assert [[(line.sku.code, line.quantity, line.price) for line in order.lines] for order in orders] == [
        [("p1", 2, 3990)],
        [("p2", 1, 10000)],
    ]
    assert [amounts_of(order).payment for order in orders] == [2 * 3990 + 2 * 872, 11500]


def test_statuses_decide_what_may_ship(write):
    fates = {order.group: order.expected for order in read(write(*ROWS), 0)}
    assert fates == {"o1": Expected.SHIP, "o2": Expected.CLOSED, "o3": Expected.UNPAID, "o4": Expected.CLOSED}


def test_numbers_are_stable_and_have_19_digits(write):
    first, second = (list(read(write(*ROWS), 0)) for _ in range(2))
    assert first == second
    assert {len(str(order.tid)) for order in first} == {19}


def test_the_limit_counts_source_orders(write):
    assert {order.group for order in read(write(*ROWS), 2)} == {"o1", "o2"}


def test_a_plan_of_a_file(write, spec):
    replayed = msgspec.structs.replace(spec, csv=str(write(*ROWS)), orders=0)
    planned = plan(replayed)
    assert [shop.name for shop in planned.shops] == ["s1", "s2"]
    assert [entry.sku.code for entry in planned.catalogue] == ["p1", "p2", "p3"]
    assert planned == plan(replayed)


def test_a_missing_column_is_named(write):
    with pytest.raises(Misconfigured, match="seller_id"):
        list(read(write(header=HEADER.replace("seller_id,", "")), 0))


@pytest.mark.parametrize(
    "row",
    [
        ROWS[0].replace("39.9", "39.999"),
        ROWS[0].replace("39.9", "much"),
        ROWS[0].replace("39.9", "NaN"),
        ROWS[0].replace("39.9", "-1"),
        ROWS[0].replace("delivered", "teleported"),
        "o9,b9,delivered",
    ],
)
def test_a_broken_row_stops_the_replay(write, row):
    with pytest.raises(Misconfigured, match="csv_invalid"):
        list(read(write(row), 0))


def test_a_missing_file(tmp_path):
    with pytest.raises(Misconfigured, match="csv_unreadable"):
        list(read(tmp_path / "none.csv", 0))
