"""What a hostile feed may fill: beyond each limit nothing is stored, all of it is counted, and what matters is kept."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import structlog

from actors.pull import PullStep
from adapters.platforms.taobao.trade import raw_order
from adapters.ports import ListedChange, WarehouseEvent
from infra.config.retention import Retention
from infra.retention.limits import mind_limits
from infra.tables.unreadable import EntrySource, UnreadableEntry, note_unreadable

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
LIMITS = Retention(contents_max=3, early_scans_max=5, pages_max_bytes=200)


@pytest.fixture
def limited(make_merchant):
    def make(limits):
        made = make_merchant()
        return type(made)(made.db, made.event_loop, msgspec.structs.replace(made.settings, retention=limits))

    return make


@pytest.fixture
def merchant(limited):
    return limited(LIMITS)


def refused(merchant):
    return dict(merchant.rows("SELECT kind, count::int FROM refused_input"))


def store(merchant, trade, number, at=AT):
    raw = raw_order(msgspec.json.encode({"trade": {**trade, "buyer_message": f"change {number}"}}))
    return PullStep(merchant.tools).store(
        merchant.settings.shops[0], "pull", [(ListedChange(raw.platform_order_id, at), raw)]
    )


def test_an_order_that_changes_all_day_is_stored_so_often_and_its_newest_content_later(merchant, trade):
    hostile, other = trade(), trade()
    for number in range(10):
        store(merchant, hostile, number)
    store(merchant, other, 0)
    assert merchant.one("SELECT count(*) FROM raw_payload WHERE platform_order_id = %s", hostile["tid_str"]) == 3
    assert merchant.one("SELECT count(*) FROM raw_payload WHERE platform_order_id = %s", other["tid_str"]) == 1
    assert merchant.rows("SELECT kind, name, count::int FROM refused_input") == [
        ("contents", f"taobao/s1/{hostile['tid_str']}", 7)
    ]
    with structlog.testing.capture_logs() as lines:
        assert [mind_limits(merchant.db, LIMITS), mind_limits(merchant.db, LIMITS)] == [1, 0]
    assert [(line["event"], line["count"]) for line in lines] == [("input_refused", 7)]
    # Its day is not over: nobody asks.
    assert merchant.rows("SELECT 1 FROM pull_gap") == []
    merchant.rows("UPDATE raw_payload SET received_at = received_at - interval '2 days'")
    mind_limits(merchant.db, LIMITS)
    assert merchant.rows("SELECT platform_order_id, error FROM pull_gap WHERE NOT is_given_up AND due_at <= now()") == [
        (hostile["tid_str"], "too_many_contents")
    ]
    mind_limits(merchant.db, LIMITS)
    # The gap is asked for by the shop's pull, which stores the newest content.
    merchant.platform.trades[hostile["tid_str"]] = {**hostile, "buyer_message": "the newest"}
    merchant.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'pull'")
    merchant.run("pull")
    newest = merchant.one(
        "SELECT body FROM raw_payload WHERE platform_order_id = %s ORDER BY id DESC LIMIT 1", hostile["tid_str"]
    )
    assert b"the newest" in newest
    assert merchant.rows("SELECT 1 FROM pull_gap") == []


def test_what_is_long_over_is_forgotten_once_its_newest_content_was_asked_for(merchant):
    merchant.rows(
        "INSERT INTO refused_input (kind, name, count, last_at, account, platform_order_id) VALUES "
        "('early scans', 'east', 1, now() - interval '31 days', NULL, NULL), "
        "('contents', 'taobao/s1/1', 1, now() - interval '31 days', 'taobao/s1', '1')"
    )
    mind_limits(merchant.db, LIMITS)
    assert refused(merchant) == {"contents": 1}
    mind_limits(merchant.db, LIMITS)
    assert refused(merchant) == {}
    assert merchant.rows("SELECT platform_order_id FROM pull_gap") == [("1",)]


def test_a_known_content_is_no_refused_one(merchant, trade):
    one = trade()
    for _ in range(2):
        for number in range(3):
            store(merchant, one, number)
    assert refused(merchant) == {}


def test_scans_of_nobodys_package_are_kept_up_to_a_limit(merchant):
    merchant.scan(*["packed"] * 8, reference="nobody's")
    merchant.scan(*["packed"] * 4, reference="nobody's")
    assert merchant.one("SELECT count(*) FROM early_scan") == 5
    assert refused(merchant)["early scans"] == 7


def test_a_scan_that_overtook_its_label_is_kept_beyond_the_limit(merchant, trade):
    merchant.stock(**{"TEE-1": 5})
    merchant.deliver(trade())
    merchant.flow("label")
    merchant.rows("UPDATE shipment SET status = 'intended', waybill = NULL, booked_at = NULL")
    merchant.scan(*["packed"] * 8, reference="nobody's")
    reference = merchant.one("SELECT reference FROM shipment")
    merchant.scan("packed", reference=reference)
    assert merchant.one("SELECT count(*) FROM early_scan WHERE reference = %s", reference) == 1
    merchant.rows("UPDATE shipment SET status = 'booked', waybill = 'SF1', booked_at = now()")
    merchant.scan()
    assert merchant.states() == ["packed"]


def test_bodies_of_pages_are_stored_up_to_the_bytes_of_a_day_and_scans_applied_all_the_same(merchant, trade):
    merchant.stock(**{"TEE-1": 5})
    merchant.deliver(trade())
    merchant.flow("label")
    merchant.rows("UPDATE location SET bytes_today = 1000, bytes_day = current_date")
    merchant.scan("packed")
    assert merchant.states() == ["packed"]
    assert merchant.one("SELECT octet_length(body) FROM warehouse_page") == 0
    assert refused(merchant) == {"page bodies": 1}
    # Another day has its own bytes.
    merchant.rows("UPDATE location SET bytes_day = current_date - 1")
    merchant.scan("handed_over")
    assert merchant.states() == ["in_transit"]
    assert merchant.one("SELECT bytes_today FROM location WHERE name = 'east'") == merchant.one(
        "SELECT octet_length(body) FROM warehouse_page ORDER BY id DESC LIMIT 1"
    )


def test_records_of_what_cannot_be_read_are_kept_up_to_a_limit(merchant):
    entries = [UnreadableEntry(number, "field_invalid", "at") for number in range(12)]
    for _ in range(2):
        with merchant.db.transaction() as tx:
            note_unreadable(tx, EntrySource.SCAN, "warehouse/east", entries, most=10)
    assert merchant.one("SELECT count(*) FROM unreadable_entry") == 10
    assert refused(merchant) == {"unreadable entries": 14}
    with merchant.db.transaction() as tx:
        note_unreadable(tx, EntrySource.SCAN, "warehouse/west", entries[:2], most=10)
    assert merchant.one("SELECT count(*) FROM unreadable_entry WHERE account = 'warehouse/west'") == 2


def test_control_without_limits_a_feed_fills_what_it_likes(limited, trade):
    merchant = limited(Retention(contents_max=10**6, early_scans_max=10**6))
    hostile = trade()
    for number in range(10):
        store(merchant, hostile, number, AT + timedelta(seconds=number))
    merchant.warehouse.scans += [WarehouseEvent(f"x{n}", "nobody's", "", "packed", AT) for n in range(50)]
    merchant.scan()
    assert merchant.one("SELECT count(*) FROM raw_payload") == 10
    assert merchant.one("SELECT count(*) FROM early_scan") == 50
    assert refused(merchant) == {}
