import re

import pytest

from domain.errors import Refused
from infra.engine.author import Author
from infra.retention.erase import needles, stretches, usable
from infra.tables.retention import OrderName
from ops.faces.terminal.words import WORDS
from ops.verbs.erase import erase
from ops.views.erasures import erasures, orders_named, orders_of, plan, show

LI = Author("li", "asked by mail")
PLANT = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', %(number)s, '1', 'pull', 'bulk', convert_to(%(body)s, 'UTF8')) RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', %(number)s, id, 'x', 'normal', 'shelf', 'none', 'CNY', 5, 0, 0, 0, 5, 5,
        false, false, now(), now(), %(buyer)s, '', '', 0, now() FROM raw RETURNING id
), received AS (
    INSERT INTO receiver SELECT id, %(name)s, '13800000001', '', '', '', '', '', '', 'plain', '' FROM made
)
INSERT INTO fulfillment_order (order_id, state, lane, finished_at, closed_reason)
SELECT id, %(state)s, 'bulk', CASE WHEN %(state)s = 'closed' THEN now() END, CASE WHEN %(state)s = 'closed' THEN 'x' END
FROM made
"""


@pytest.fixture
def planted(database):
    def plant(number, name="林小满", buyer="b-1", state="closed", body="{}"):
        named = {"number": number, "name": name, "buyer": buyer, "state": state, "body": body}
        with database.connection() as connection:
            connection.execute(PLANT, named)

    return plant


def names(database):
    with database.connection() as connection:
        return [row[0] for row in connection.execute("SELECT name FROM receiver ORDER BY order_id")]


def test_an_order_that_ended_is_erased_with_a_record(database, planted):
    planted("1")
    planted("2", name="王五")
    record = erase(database, orders_named(database, ["1"]), LI)
    assert names(database) == ["", "王五"]
    assert (record.who, record.reason, record.owner) == ("li", "asked by mail", "service")
    [order] = record.orders
    assert (order.name, order.rows) == ("taobao/s1/1", {"receiver": 1, "orders": 1, "raw_payload": 1})
    assert record.done_at is not None
    assert len(record.subject) == 64
    assert show(database, record.id) == record
    assert [(one.id, one.orders, one.orders_open) for one in erasures(database)] == [(record.id, 1, 0)]
    assert erasures(database, only_open=True) == []


def test_an_order_under_way_is_refused_with_what_to_do(database, planted):
    planted("1", state="paid")
    with pytest.raises(Refused) as refused:
        erase(database, orders_named(database, ["1"]), LI)
    said = WORDS.refusal(refused.value)
    assert re.match("order_in_flight: taobao/s1/1 is paid .*stop it first; or use --when-ended", said)
    assert names(database) == ["林小满"]
    assert erasures(database) == []


def test_it_may_wait_for_the_end(database, planted):
    planted("1", state="paid")
    planted("2")
    record = erase(database, orders_named(database, ["1", "2"]), LI, when_ended=True)
    assert names(database) == ["林小满", ""]
    assert record.done_at is None
    [waiting] = erasures(database, only_open=True)
    assert (waiting.owner, waiting.orders_open) == ("service", 1)
    assert waiting.due_at > waiting.asked_at


def test_a_preview_changes_nothing(database, planted):
    planted("1", state="paid")
    planted("2")
    found = plan(database, orders_named(database, ["1", "2"]))
    assert found.orders == ("taobao/s1/1", "taobao/s1/2")
    assert len(found.in_flight) == 1
    assert names(database) == ["林小满", "林小满"]


def test_a_person_is_found_by_name_phone_buyer_and_in_payloads(database, planted):
    planted("1", name="林小满", buyer="x")
    planted("2", name="y", buyer="xiaoman")
    planted("3", name="y", buyer="x", body='{"receiver": "林小满收"}')
    planted("4", name="y", buyer="x", body='{"receiver": "\\u6797\\u5c0f\\u6ee1"}')
    planted("5", name="y", buyer="x", body='{"receiver": "\\u6797\\u5C0F\\u6EE1"}')
    planted("6", name="y", buyer="x")
    found = orders_of(database, ["林小满", "xiaoman", " "])
    assert [one.platform_order_id for one in found] == ["1", "2", "3", "4", "5"]
    assert len(orders_of(database, ["13800000001"])) == 6


@pytest.mark.parametrize("words", [[], [""], ["林"], ["林**"], ["***"]])
def test_words_that_would_find_everybody_are_refused(database, planted, words):
    planted("1")
    with pytest.raises(Refused, match="words_unusable"):
        orders_of(database, words)


def test_nobody_is_said(database):
    with pytest.raises(Refused, match="nothing_matches"):
        orders_of(database, ["林小满"])
    with pytest.raises(Refused, match="order_unknown"):
        orders_named(database, ["nobody"])
    with pytest.raises(Refused, match="erasure_unknown"):
        show(database, 7)


def test_a_reason_that_names_the_person_is_refused(database, planted):
    planted("1")
    with pytest.raises(Refused, match="reason_personal") as raised:
        erase(database, orders_of(database, ["林小满"]), Author("li", "林小满 asked"), words=["林小满"])
    assert "林小满" not in str(raised.value)
    assert names(database) == ["林小满"]


def test_a_reason_that_names_the_person_as_the_order_does_is_refused(database, planted):
    planted("1")
    with pytest.raises(Refused, match="reason_personal") as raised:
        erase(database, orders_named(database, ["1"]), Author("li", "林小满 asked, 13800000001"))
    assert "林小满" not in str(raised.value)
    assert (names(database), erasures(database)) == (["林小满"], [])


def test_twice_is_harmless_and_leaves_two_records(database, planted):
    planted("1")
    orders = [OrderName("taobao", "s1", "1")]
    first, second = erase(database, orders, LI), erase(database, orders, LI)
    assert first.subject == second.subject
    assert second.done_at is not None
    assert second.orders[0].rows == {}


def test_words_take_every_form_in_which_a_payload_may_write_them():
    assert needles(["林A"]) == sorted({"林A".encode(), b"\\u6797A"})
    assert b'a\\"b' in needles(['a"b'])
    assert usable(["", " a ", "王五 ", "1**", "ab"]) == ["ab", "王五"]
    assert list(stretches(1000, 500)) == [(0, 500), (500, 1000)]
    assert list(stretches(0, 500)) == []
