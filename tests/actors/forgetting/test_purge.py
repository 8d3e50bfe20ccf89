"""Orders that ended long ago lose their person, and keep their record."""

from collections import Counter

import pytest

from domain.cases import CaseKind
from domain.take_over import Mode
from infra.config.retention import Retention
from infra.monitoring.invariants import find_breaches
from infra.process.steps import STEPS
from infra.retention.purge import Purge, count_due
from infra.tables.retention import RetentionDays, find_ended
from infra.tables.sql import load
from ops.views.order import view_order
from tests.actors.processes import process_with

DAYS = Retention().persons_days + Retention().transit_days + 1
CLOSED = {"status": "TRADE_CLOSED"}


def test_a_shipped_order_loses_its_person_and_keeps_its_record(merchant, shipped, age, *, purge, persons, sums):
    shipped(3)
    before = sums()
    assert persons() == 9
    age()
    assert purge.run()["persons"] == 3
    assert persons() == 0
    assert sums() == before
    with merchant.db.connection() as session:
        assert find_breaches(session) == []
    assert merchant.rows("SELECT cause, end_state, count(*) FROM tombstone GROUP BY 1, 2") == [
        ("purged", "in_transit", 3)
    ]
    assert purge.run().total() == 0


def test_reports_and_the_view_of_an_order_are_as_before(merchant, shipped, age, purge):
    shipped(3)
    ledger = load("ledger")

    def reports():
        with merchant.db.connection() as session:
            values = {"endless": STEPS.endless(), "unwanted": CaseKind.UNWANTED_PARCEL}
            return {name: sorted(session.execute(ledger[name], values).fetchall(), key=str) for name in ledger}

    age()
    before = reports()
    assert purge.run()["persons"] == 3
    assert reports() == before
    view = view_order(merchant.db, merchant.one("SELECT min(id) FROM orders"))
    assert (view.receiver.name, view.receiver.pii) == ("", "absent")
    assert "waybill" in str(view.timeline)


def test_nothing_is_purged_before_its_time(merchant, shipped, age, purge, persons):
    shipped(2)
    merchant.rows("UPDATE package SET handed_over_at = now()")
    age(DAYS - 2)
    assert purge.run()["persons"] == 0
    assert persons() == 6


def test_nothing_is_purged_without_a_policy(merchant, shipped, age):
    shipped()
    age(4000)
    kept = Retention(
        persons_days=0,
        pages_days=0,
        early_scans_days=0,
        gaps_days=0,
        events_days=0,
        letters_days=0,
        bulks_days=0,
        entries_days=0,
        alarms_days=0,
        cases_days=0,
    )
    assert Purge(merchant.db, kept, batches_max=None).run().total() == 0
    assert count_due(merchant.db, kept).total() == 0


OPEN = {
    "a hold": "INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at) SELECT id, 'c', 's', 'o', now() "
    "FROM fulfillment_order",
    "a dead letter": "INSERT INTO dead_letter (step, subject_id, lane, account, order_id, code, fingerprint, causes, "
    "attempts, crashes, owner, due_at) SELECT 'notify', 1, 'p1', 'a', id, 'c', 'f', '[]', 1, 0, 'o', now() FROM orders",
    "an open case": "INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at) "
    "SELECT 'taobao/s1', '1', 'lost', id, 'o', now() FROM orders",
    "due work": "INSERT INTO work (step, subject_id, lane) SELECT 'review', id, 'p1' FROM fulfillment_order",
    "due work of a package": "INSERT INTO work (step, subject_id, lane) SELECT 'label', id, 'p1' FROM package",
    "due work of a notice": "INSERT INTO work (step, subject_id, lane) SELECT 'notify', id, 'p1' FROM notice",
    "a payload to read": "INSERT INTO work (step, subject_id, lane) SELECT 'normalize', id, 'p1' FROM raw_payload",
    "a new payload": "INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body) "
    "SELECT platform, shop, platform_order_id, '1', 'pull', 'p1', '' FROM orders",
    "a write-back to confirm": "UPDATE writeback SET status = 'sending', confirmed_at = NULL",
    "a notice to send": "UPDATE notice SET status = 'pending', told_at = NULL",
    "an unclear intent": "UPDATE shipment SET status = 'intended', call_deadline = now()",
    "a package that has not left": "UPDATE package SET handed_over_at = NULL",
    "a state before the end": "UPDATE fulfillment_order SET state = 'in_warehouse'",
    "an order to fetch again": "INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error) "
    "SELECT s.id, o.platform_order_id, now(), 'e' FROM shop AS s, orders AS o",
}


@pytest.mark.parametrize("what", OPEN)
def test_what_is_open_is_never_purged(merchant, shipped, age, purge, what):
    shipped()
    age()
    merchant.rows(OPEN[what])
    assert purge.run()["persons"] == 0
    assert merchant.rows("SELECT 1 FROM tombstone") == []


def test_a_write_back_that_a_person_gave_up_is_settled(merchant, shipped, age, purge):
    shipped()
    age()
    merchant.rows(OPEN["a write-back to confirm"])
    merchant.rows(
        """INSERT INTO dead_letter (step, subject_id, lane, account, order_id, code, fingerprint, causes, attempts,
             crashes, owner, due_at, closed_at, closed_as, closed_by, closed_reason)
           SELECT 'writeback', package_id, 'p1', 'a', order_id, 'c', 'f', '[{"code": "c", "message": "林小满"}]', 1, 0,
             'o', now(), now(), 'discarded', 'li', 'told 林小满 by phone' FROM writeback"""
    )
    assert purge.run()["persons"] == 1
    assert merchant.one("SELECT count(*) FROM dead_letter WHERE (causes::text || closed_reason) ~ '林小满'") == 0


def test_what_would_have_been_done_with_a_watched_order_goes_with_its_person(merchant, trade, *, age, purge):
    merchant.stock(**{"TEE-1": 50})
    watched = process_with(merchant, Mode.WATCH)
    watched.deliver(trade(tid="1001"), trade(tid="1002"))
    watched.flow()
    age()
    # The second was decided again, by a content of today.
    watched.deliver(trade(tid="1002", modified="2026-11-23 10:00:00"))
    watched.flow()
    assert purge.run()["persons"] == 1
    left = "SELECT platform_order_id FROM orders AS o JOIN watch_decision AS d ON d.order_id = o.id"
    assert watched.rows(left) == [("1002",)]
    assert watched.one("SELECT sum(quantity) FROM watch_piece") == 1


def test_closed_orders_go_and_orders_that_wait_stay(merchant, trade, unpaid, *, age, purge, person):
    merchant.stock(**{"TEE-1": 50})
    merchant.deliver(trade(**person, **CLOSED), trade(**person, **unpaid))
    merchant.flow()
    age()
    assert purge.run()["persons"] == 1
    assert merchant.rows("SELECT end_state FROM tombstone") == [("closed",)]
    # A row that was passed over is found again when it has ended.
    merchant.rows(
        "UPDATE fulfillment_order SET state = 'closed', closed_reason = 'x', finished_at = now() "
        "- interval '1 year' WHERE state <> 'closed'"
    )
    assert purge.run()["persons"] == 1


def test_an_unreadable_payload_goes_once_its_letter_is_closed(merchant, age, purge, persons):
    merchant.rows(
        """WITH raw AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
             VALUES ('taobao', 's1', '77', '1', 'pull', 'bulk', '{"trade": {"receiver_name": "林小满"}}') RETURNING id)
           INSERT INTO work (step, subject_id, lane, shop) SELECT 'normalize', id, 'bulk', 'taobao/s1' FROM raw"""
    )
    merchant.run("normalize")
    age()
    assert purge.run().total() == 0
    assert persons() == 1
    merchant.rows(
        "UPDATE dead_letter SET closed_at = now() - interval '1 year', closed_as = 'discarded', closed_by = 'li', "
        "closed_reason = 'no'"
    )
    assert purge.run()["persons"] == 1
    assert persons() == 0
    assert merchant.rows("SELECT end_state FROM tombstone") == [("unread",)]
    with merchant.db.connection() as session:
        assert find_breaches(session) == []


def test_pages_scans_gaps_events_and_letters_go_by_their_own_days(merchant, shipped, age, purge):
    shipped()
    pages = merchant.one("SELECT count(*) FROM warehouse_page")
    assert pages > 0
    merchant.scan("packed", reference="nobody's")
    age(500)
    purged = purge.run()
    assert purged == Counter(
        persons=1,
        pages=pages + 1,
        early_scans=1,
        events=purged["events"],
        gaps=0,
        letters=0,
        bulks=0,
        entries=0,
        alarms=0,
        cases=0,
    )
    assert purged["events"] > 5
    assert merchant.one("SELECT count(*) FROM event") == 0
    assert merchant.one("SELECT count(*) FROM warehouse_page") == 0


def test_a_page_stays_while_an_entry_of_it_is_on_record_as_unreadable(merchant, shipped, age, purge):
    shipped()
    merchant.rows(
        """INSERT INTO unreadable_entry (source, account, page_id, position, code, field, owner, due_at)
           SELECT 'scan', 'warehouse/east', min(id), 0, 'field_invalid', 'at', 'warehouse', now() FROM warehouse_page"""
    )
    age(500)
    purge.run()
    assert merchant.one("SELECT count(*) FROM warehouse_page") == 1
    merchant.rows("UPDATE unreadable_entry SET closed_at = now() - interval '2 years', closed_by = 'li'")
    purged = purge.run()
    assert (purged["pages"], purged["entries"]) == (1, 1)
    assert merchant.one("SELECT (SELECT count(*) FROM warehouse_page) + (SELECT count(*) FROM unreadable_entry)") == 0


def test_closed_alarms_go_by_their_own_days_and_open_ones_stay(merchant, purge):
    merchant.rows(
        """INSERT INTO alarm (kind, key, severity, owner, first_at, last_at, closed_at)
           SELECT 'feed_silent', n::text, 'error', 'x', now() - interval '3 years', now() - interval '3 years',
                  CASE WHEN n > 0 THEN now() - make_interval(days => n) END
           FROM unnest('{0,399,401,500}'::int[]) AS n"""
    )
    assert count_due(merchant.db, Retention())["alarms"] == 2
    assert purge.run()["alarms"] == 2
    assert merchant.rows("SELECT key FROM alarm ORDER BY key") == [("0",), ("399",)]


def test_closed_cases_go_by_their_own_days_and_open_ones_stay(merchant, purge, trade):
    merchant.deliver(trade())
    merchant.flow()
    merchant.rows(
        """INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at, closed_at, closed_by)
           SELECT 'taobao/s1', n::text, 'lost', o.id, 'x', now(),
                  CASE WHEN n > 0 THEN now() - make_interval(days => n) END, CASE WHEN n > 0 THEN 'li' END
           FROM orders AS o, unnest('{0,399,401,500}'::int[]) AS n"""
    )
    assert count_due(merchant.db, Retention())["cases"] == 2
    assert purge.run()["cases"] == 2
    assert merchant.rows("SELECT case_id FROM order_case ORDER BY case_id") == [("0",), ("399",)]


def test_the_timeline_of_an_open_order_stays(merchant, trade, unpaid, age, purge):
    merchant.deliver(trade(**unpaid))
    merchant.flow()
    events = merchant.one("SELECT count(*) FROM event")
    age(500)
    purge.run()
    assert merchant.one("SELECT count(*) FROM event") == events > 0


def test_a_dry_run_counts_and_changes_nothing(merchant, shipped, age, purge, persons):
    shipped(2)
    age()
    assert count_due(merchant.db, Retention())["persons"] == 2
    assert persons() == 6
    assert purge.run()["persons"] == 2
    assert count_due(merchant.db, Retention())["persons"] == 0


def test_what_somebody_holds_is_left_for_the_next_round(merchant, shipped, age, purge):
    shipped(2)
    age()
    first = merchant.one("SELECT min(id) FROM orders")
    with merchant.db.transaction() as tx:
        tx.execute("SELECT 1 FROM fulfillment_order WHERE order_id = %s FOR UPDATE", [first])
        assert purge.run()["persons"] == 1
    assert purge.run()["persons"] == 1


def test_every_order_is_found_in_small_batches_and_bounded_rounds(merchant, shipped, age):
    shipped(5)
    age()
    rounds = [Purge(merchant.db, Retention(), batches_max=1, batch=2).run()["persons"] for _ in range(4)]
    assert (sum(rounds), max(rounds)) == (5, 2)
    with merchant.db.connection() as session:
        assert find_ended(session, [1, 2, 3, 4, 5], RetentionDays(0, 0)) == []
