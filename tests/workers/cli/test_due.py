import json

import pytest

from infra.tables.pool import Database

ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', %(shop)s, %(number)s, '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
        seller_flag, received_at)
    SELECT 'taobao', %(shop)s, %(number)s, id, 'to_ship', 'normal', 'shelf', 'none', %(currency)s, 0, 0, 0, 0,
        %(minor)s, %(minor)s, false, false, now(), now(), now() + make_interval(hours => %(left_h)s - 48),
        now() + make_interval(hours => %(left_h)s), '', '', '', 0, now() FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, resume_state, lane)
SELECT id, %(state)s, CASE WHEN %(state)s = 'on_hold' THEN 'paid' END, 'bulk' FROM made RETURNING id
"""
HOLD = """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
          VALUES (%s, 'amount_mismatch', 'review', 'finance', now())"""
WORK = "INSERT INTO work (step, subject_id, lane) VALUES ('route', %s, 'bulk')"
PACKAGE = """WITH p AS (INSERT INTO package (fulfillment_order_id, number, courier, account, location)
                        VALUES (%s, 1, 'sf', 'sf/main', 'east') RETURNING id)
             INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
             SELECT id, 1, 'R', 'sf', 'booked', 'SF1', now() FROM p"""


@pytest.fixture(autouse=True)
def _configured(monkeypatch, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


@pytest.fixture
def plant(database: Database):
    def order(number: str, left_h: int, minor: int, state: str = "approved", *, shop="main", currency="CNY", then=WORK):
        named = {
            "number": number,
            "left_h": left_h,
            "minor": minor,
            "state": state,
            "shop": shop,
            "currency": currency,
        }
        with database.connection() as connection:
            (id_,) = connection.execute(ORDER, named).fetchone()
            if then:
                connection.execute(then, [id_])

    return order


@pytest.fixture
def five(plant):
    """Five open orders, and three without a running clock."""
    plant("late", -2, 5_000, "on_hold", then=HOLD)
    plant("near", 3, 90_000)
    plant("far", 40, 20_000, "allocated", then=PACKAGE)
    plant("other", 3, 100, shop="outlet", currency="USD")
    plant("stuck", 3, 50, then=None)
    plant("unpaid", 3, 70_000, "pending_payment", then=None)
    plant("gone", 3, 70_000, "in_transit", then=None)


def answer(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_most_money_first_and_what_each_waits_for(orderlane, five) -> None:
    found = answer(orderlane("order", "due", "--json"))
    assert [(one["platform_order_id"], one["used_percent"], one["waits_for"]) for one in found["orders"]] == [
        ("near", 93, "route, which is due"),
        ("far", 16, "the warehouse's scans"),
        ("late", 104, "finance: amount_mismatch"),
        ("other", 93, "route, which is due"),
        ("stuck", 93, "nothing: `orderlane doctor` says more"),
    ]
    assert (found["open"], found["late"]) == (5, 1)
    assert found["at_risk"] == [{"minor": 115_050, "currency": "CNY"}, {"minor": 100, "currency": "USD"}]


@pytest.mark.parametrize(
    ("arguments", "orders"),
    [
        (("--within", "4"), ["near", "late", "other", "stuck"]),
        (("--within", "0"), ["late"]),
        (("--shop", "outlet"), ["other"]),
        (("--shop", "taobao/outlet"), ["other"]),
        (("--shop", "elsewhere"), []),
        (("--limit", "2"), ["near", "far"]),
    ],
)
def test_a_part_of_them(orderlane, five, arguments, orders) -> None:
    found = answer(orderlane("order", "due", "--json", *arguments))
    assert [one["platform_order_id"] for one in found["orders"]] == orders


def test_a_person_sees_sums_and_a_table(orderlane, five) -> None:
    result = orderlane("order", "due", "--limit", "4")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "5 open, 1150.50 CNY, 1.00 USD at risk; late 1, 50.00 CNY"
    assert lines[-1] == "and 1 more"
    assert "104 %" in result.stdout


def test_an_order_that_waits_for_a_day_says_so(orderlane, plant, database) -> None:
    plant("waits", 40, 100, "allocated", then=None)
    with database.connection() as connection:
        connection.execute("UPDATE orders SET ship_from = now() + interval '10 hours'")
        connection.execute(
            """WITH p AS (INSERT INTO package (fulfillment_order_id, number, courier, account, location)
                          SELECT id, 1, 'sf', 'sf/main', 'east' FROM fulfillment_order RETURNING id)
               INSERT INTO work (step, subject_id, lane, due_at)
               SELECT 'label', id, 'bulk', now() + interval '10 hours' FROM p"""
        )
    [one] = answer(orderlane("order", "due", "--json"))["orders"]
    assert (one["waits_for_code"], one["used_percent"]) == ("day", 0)
    assert one["waits_for"].startswith("the day from which it ships: ")


@pytest.fixture
def clocks(plant, database):
    """Five ship-by clocks that run and one that is over, and two days that are waited for."""
    plant("long late", -30, 1)
    plant("just late", 0, 1)
    plant("near", 3, 1, shop="outlet")
    plant("waits", 40, 1)
    plant("waits held", 50, 1, "on_hold", then=HOLD)
    plant("gone", 3, 1, "in_transit", then=None)
    with database.connection() as connection:
        connection.execute(
            """UPDATE orders SET ship_from = ship_by - interval '35 hours'
               WHERE platform_order_id LIKE 'waits%' OR platform_order_id IN ('gone', 'near')"""
        )
        connection.execute(
            "INSERT INTO clock_alarm (order_id, percent, next_at)"
            " SELECT id, 100, now() FROM orders WHERE platform_order_id = 'long late'"
        )


SHIP_BY = [("ship_by", "long late"), ("ship_by", "just late"), ("ship_by", "near")]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("all",), [*SHIP_BY, ("ship_from", "waits"), ("ship_from", "waits held")]),
        (("ship_from",), [("ship_from", "waits"), ("ship_from", "waits held")]),
        (("ship_by", "--limit", "3"), SHIP_BY),
        (("all", "--within", "2"), SHIP_BY[:2]),
        (("all", "--within", "6"), [*SHIP_BY, ("ship_from", "waits")]),
        (("all", "--shop", "outlet"), [SHIP_BY[2]]),
        (("ship_by", "--shop", "elsewhere"), []),
    ],
)
def test_all_clocks_that_run_the_first_due_first(orderlane, clocks, arguments, found) -> None:
    listed = answer(orderlane("order", "due", "--json", "--clock", *arguments))["clocks"]
    assert [(one["clock"], one["order_name"].rpartition("/")[2]) for one in listed][:5] == found
    assert all(one["owner"] for one in listed)


def test_a_person_sees_the_clocks_in_a_table(orderlane, clocks) -> None:
    shown = orderlane("order", "due", "--clock", "all")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[1].split()[2:3] == ["ship_by"]
    assert orderlane("order", "due", "--clock", "all", "--shop", "elsewhere").stdout == "no clock runs\n"


def test_nothing_open(orderlane) -> None:
    assert orderlane("order", "due").stdout == "no open order has a running clock\n"
