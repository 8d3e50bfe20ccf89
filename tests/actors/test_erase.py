"""A person who is erased is nowhere in the stores any more: every text, byte string and document is read."""

import uuid

import pytest
from psycopg import sql

from infra.config.retention import Retention
from infra.engine.author import Author
from infra.retention.purge import Purge
from infra.tables.retention import OrderName
from ops.verbs.erase import erase
from ops.views.erasures import erasures, orders_of

NAME, PHONE, STREET, NICK, MEMO = "林小满", "13877776666", "羽毛路7788号", "xiaoman-lin", "暗号翠鸟"
SECRETS = (NAME, PHONE, STREET, NICK, MEMO)
PERSON = {
    "receiver_name": NAME,
    "receiver_mobile": PHONE,
    "receiver_address": STREET,
    "buyer_message": MEMO,
    "seller_memo": f"熟客{NAME}",
    "buyer_nick": NICK,
    "oaid": None,
}
# What people and others may have written of a person, one statement each; %s is the order's id.
PLANTED = {
    "a released hold": """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts, released_at,
        released_by, released_reason) SELECT id, 'waybill_error', 'label', 'o', now(),
        '{"code": "8057", "message": "收件人林小满 羽毛路7788号 不派送"}', now(), 'li', '林小满 called'
        FROM fulfillment_order WHERE order_id = %s""",
    "an event": """INSERT INTO event (order_id, kind, step, cause, facts)
        VALUES (%s, 'hold_opened', 'label', 'rules', '{"code": "8057", "message": "13877776666 暗号翠鸟"}')""",
    "a closed letter": """INSERT INTO dead_letter (step, subject_id, lane, account, order_id, code, fingerprint, causes,
        attempts, crashes, owner, due_at, closed_at, closed_as, closed_by, closed_reason)
        SELECT 'reserve', f.id, 'p1', 'a', f.order_id, 'c', 'f',
        '[{"type": "t", "code": "c", "message": "林小满", "behind": [{"message": "13877776666"}], "attempt": 1}]',
        1, 0, 'o', now(), now(), 'discarded', 'li', '林小满 paid cash'
        FROM fulfillment_order AS f WHERE order_id = %s""",
    "an audit row of the order": """INSERT INTO audit (who, verb, object, reason, facts, before, after)
        VALUES ('li', 'hold_released', 'order/' || %s, '林小满 asked', '{"code": "c", "note": "xiaoman-lin"}',
                '{"note": "xiaoman-lin"}', '{"note": "林小满"}')""",
    "an audit row of anything": """INSERT INTO audit (who, verb, object, reason, facts)
        SELECT 'li', 'gate_paused', 'account/sf', 'wait for 林小满', '{}' WHERE %s > 0""",
    "an answer of a courier": """INSERT INTO foreign_answer (order_id, step, subject_id, account, code, body)
        VALUES (%s, 'label', 1, 'sf/main', 'refused', convert_to('收件人林小满', 'UTF8'))""",
    "a page": """INSERT INTO warehouse_page (location, after, body)
        SELECT 'east', '', convert_to('{"note": "\\u6797\\u5c0f\\u6ee1"}', 'UTF8') WHERE %s > 0""",
    "an early scan": """INSERT INTO early_scan (event_id, location, reference, waybill, kind, at)
        SELECT 'e', 'east', 'nobody', '13877776666', 'packed', now() WHERE %s > 0""",
    "an engraved title": "UPDATE order_line SET title = '杯子 刻字林小满' WHERE order_id = %s",
    "a pause": """INSERT INTO gate (kind, name, reason, shut_by)
        SELECT 'lane', 'bulk', '林小满', 'li' WHERE %s > 0""",
    "a closed case": """INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at, facts, closed_at,
        closed_by, reason) SELECT 'taobao/s1', 'c', 'lost', o.id, 'logistics', now(),
        '{"code": "6", "said": "收件人林小满"}', now(), 'li', '林小满 has it' FROM orders AS o WHERE o.id = %s""",
    "an audit row of the case": """INSERT INTO audit (who, verb, object, reason, facts)
        SELECT 'li', 'case_closed', 'case/' || c.id, 'xiaoman-lin', '{}' FROM order_case AS c WHERE c.order_id = %s""",
    "a bulk replay": """INSERT INTO bulk (who, reason, filter, per_second, note)
        SELECT 'li', 'for 林小满', '{"code": "xiaoman-lin"}', 1, '林小满' WHERE %s > 0""",
}


@pytest.fixture
def shipped(merchant, trade):
    """A person's order that went the whole way, and somebody else's."""
    merchant.stock(**{"TEE-1": 50})
    kept, other = trade(**PERSON), trade(receiver_name="王五", buyer_nick="wangwu")
    merchant.deliver(kept, other)
    merchant.flow("label")
    merchant.scan("packed", "handed_over")
    merchant.flow()
    order_id = merchant.one("SELECT id FROM orders WHERE platform_order_id = %s", kept["tid_str"])
    return order_id, OrderName("taobao", "s1", kept["tid_str"])


@pytest.fixture
def planted(merchant, shipped):
    for statement in PLANTED.values():
        merchant.rows(statement, shipped[0])
    return shipped


READABLE = {"text", "bytea", "jsonb", "json", "ARRAY", "character varying", "USER-DEFINED"}


def everywhere(merchant, redis):
    """(table.column, text) of all that may hold words: each row of each such column, and all of Redis."""
    columns = merchant.rows(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    )
    assert len(columns) > 200
    with merchant.db.connection() as connection:
        for table, column, kind in columns:
            if kind not in READABLE:
                continue
            query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
            for (value,) in connection.execute(query):
                text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                yield f"{table}.{column}", text
                yield f"{table}.{column}", unescaped(text)
    for key in redis.scan_iter("*"):
        yield "redis", redis.dump(key).decode("utf-8", "replace") + key.decode("utf-8", "replace")


def unescaped(text):
    """As JSON would be read, where it can be."""
    try:
        return text.encode("ascii").decode("unicode_escape")
    except (UnicodeError, ValueError):
        return text


def found(merchant, redis):
    return {place for place, text in everywhere(merchant, redis) if any(secret in text for secret in SECRETS)}


def test_nothing_of_an_erased_person_is_left(merchant, redis, planted):
    order_id, name = planted
    record = erase(merchant.db, [name], Author("li", "asked by mail"), words=[NAME, PHONE])
    assert found(merchant, redis) == set()
    assert record.done_at is not None
    assert record.orders[0].rows == {
        "audit": 3,
        "bulk": 1,
        "dead_letter": 1,
        "early_scan": 1,
        "event": 1,
        "foreign_answer": 1,
        "gate": 1,
        "hold": 1,
        "order_case": 1,
        "order_line": 1,
        "orders": 1,
        "raw_payload": 1,
        "receiver": 1,
        "warehouse_page": 1,
    }
    # Somebody else's order is as it was, and the business record of this one too.
    assert merchant.rows("SELECT name FROM receiver WHERE name <> ''") == [("王五",)]
    assert merchant.one("SELECT payable_minor FROM orders WHERE id = %s", order_id) == 1000
    assert merchant.one("SELECT count(*) FROM shipment WHERE status = 'booked'") == 2
    # What our own rules said stays.
    assert merchant.one("SELECT facts ->> 'code' FROM hold") == "8057"


def test_control_without_the_erasure_the_person_is_found_everywhere(merchant, redis, planted):
    places = found(merchant, redis)
    assert places >= {
        "raw_payload.body",
        "receiver.name",
        "receiver.phone",
        "receiver.detail",
        "orders.buyer_id",
        "orders.buyer_memo",
        "orders.seller_memo",
        "hold.facts",
        "hold.released_reason",
        "event.facts",
        "dead_letter.causes",
        "dead_letter.closed_reason",
        "audit.reason",
        "audit.facts",
        "audit.before",
        "audit.after",
        "warehouse_page.body",
        "early_scan.waybill",
        "foreign_answer.body",
        "order_line.title",
        "gate.reason",
        "bulk.reason",
        "bulk.note",
        "bulk.filter",
    }


def test_a_purge_leaves_nothing_in_the_rows_of_its_order(merchant, redis, planted):
    merchant.rows("UPDATE orders SET created_at = now() - interval '1 year'")
    merchant.rows("UPDATE raw_payload SET received_at = now() - interval '1 year'")
    merchant.rows("UPDATE package SET handed_over_at = now() - interval '1 year'")
    assert Purge(merchant.db, Retention(), batches_max=None).run()["persons"] == 2
    # What people wrote into reasons, and what the shop engraved, is left to them.
    assert found(merchant, redis) == {
        "audit.reason",
        "audit.facts",
        "audit.before",
        "audit.after",
        "bulk.reason",
        "bulk.note",
        "bulk.filter",
        "gate.reason",
        "order_line.title",
        "warehouse_page.body",
        "early_scan.waybill",
    }


def test_a_buyer_who_is_called_like_any_word_erases_nobody_elses(merchant, trade):
    merchant.stock(**{"TEE-1": 50})
    hostile = trade(receiver_name="ok", buyer_nick="east", buyer_message="谢谢", oaid=None)
    merchant.deliver(hostile)
    merchant.flow("label")
    merchant.rows("UPDATE shipment SET waybill = '7'")
    merchant.scan("packed", "handed_over")
    merchant.flow()
    merchant.rows("INSERT INTO audit (who, verb, object, reason) VALUES ('li', 'v', 'account/east', '谢谢, ok, 7')")
    merchant.rows("INSERT INTO warehouse_page (location, after, body) VALUES ('east', '', 'ok east 7')")
    erase(merchant.db, [OrderName("taobao", "s1", hostile["tid_str"])], Author("li", "asked by mail"))
    assert merchant.one("SELECT reason FROM audit WHERE verb = 'v'") == "谢谢, ok, 7"
    assert merchant.one("SELECT count(*) FROM warehouse_page WHERE body = 'ok east 7'") == 1
    assert merchant.one("SELECT name || buyer_id || buyer_memo FROM receiver JOIN orders ON id = order_id") == ""


@pytest.mark.parametrize("source", ["pull", "webhook"])
def test_nothing_brings_an_erased_person_back(merchant, redis, planted, trade_of, source):
    _, name = planted
    erase(merchant.db, [name], Author("li", "asked by mail"), words=[NAME])
    body = {**PERSON, "tid_str": name.platform_order_id, "modified": "2026-11-29 10:00:00"}
    merchant.deliver(trade_of(body), source=source)
    merchant.scan("packed", "handed_over")
    merchant.flow()
    assert found(merchant, redis) == set()


def test_control_without_the_tombstone_an_erased_person_comes_back(merchant, redis, planted, trade_of):
    _, name = planted
    erase(merchant.db, [name], Author("li", "asked by mail"), words=[NAME])
    merchant.rows("DELETE FROM tombstone")
    body = {**PERSON, "tid_str": name.platform_order_id, "modified": "2026-11-29 10:00:00"}
    merchant.deliver(trade_of(body))
    merchant.flow()
    assert {"receiver.name", "raw_payload.body"} <= found(merchant, redis)


@pytest.fixture
def trade_of(trade):
    return lambda fields: trade(tid=fields.pop("tid_str"), **fields)


def test_an_order_under_way_is_erased_by_the_purge_after_its_end(merchant, redis, trade):
    merchant.stock(**{"TEE-1": 5})
    merchant.deliver(trade(**PERSON))
    merchant.flow("label")
    orders = orders_of(merchant.db, [PHONE])
    record = erase(merchant.db, orders, Author("li", "asked by mail"), words=[PHONE], when_ended=True)
    assert record.done_at is None
    purge = Purge(merchant.db, Retention(), batches_max=None)
    purge.run()
    assert "receiver.name" in found(merchant, redis)
    merchant.scan("packed", "handed_over")
    merchant.flow()
    purge.run()
    assert found(merchant, redis) == set()
    assert erasures(merchant.db, only_open=True) == []


def test_a_payload_that_never_became_an_order_is_erased_once_its_letter_is_closed(merchant, redis):
    merchant.rows(
        """WITH raw AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
             VALUES ('taobao', 's1', '77', '1', 'pull', 'bulk', convert_to('{"trade": {"x": "林小满"', 'UTF8'))
             RETURNING id)
           INSERT INTO work (step, subject_id, lane, shop) SELECT 'normalize', id, 'bulk', 'taobao/s1' FROM raw"""
    )
    merchant.run("normalize")
    orders = orders_of(merchant.db, [NAME])
    assert [str(one) for one in orders] == ["taobao/s1/77"]
    record = erase(merchant.db, orders, Author("li", "asked by mail"), when_ended=True)
    assert record.done_at is None
    merchant.rows(
        "UPDATE dead_letter SET closed_at = now(), closed_as = 'discarded', closed_by = 'li', closed_reason = ''"
    )
    Purge(merchant.db, Retention(), batches_max=None).run()
    assert found(merchant, redis) == set()
    assert erasures(merchant.db, only_open=True) == []


def test_a_generic_search_sees_every_kind_of_column(merchant, redis):
    redis.rpush(str(uuid.uuid4()), NAME)
    assert found(merchant, redis) == {"redis"}
