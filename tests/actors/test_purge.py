"""Orders that ended long ago lose their person, and nothing brings the person back."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors.pull import Pull
from adapters.platforms.taobao.trade import raw_order
from adapters.ports import Listed
from domain.order import PlatformState
from domain.states import Step
from infra.db.retention import Patience, find_ended
from infra.db.sql import load
from infra.engine.purge import Purge, count_due
from infra.invariants import find_breaches
from infra.retention import Retention
from ops.order_view import view_order

DAYS = Retention().persons_days + Retention().transit_days + 1
CLOSED = {"status": "TRADE_CLOSED"}
PERSON = {
    "receiver_name": "林小满",
    "receiver_mobile": "13877776666",
    "receiver_address": "羽毛路 7788 号",
    "buyer_message": "请放门口 翠鸟",
    "seller_memo": "熟客林小满",
    "buyer_nick": "xiaoman-lin",
}


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
        merchant.flow(Step.LABEL)
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


def persons(merchant):
    """What is left of anybody: receivers, buyers, memos and bodies."""
    return merchant.one(
        """SELECT (SELECT count(*) FROM receiver WHERE name || phone || detail <> '')
             + (SELECT count(*) FROM orders WHERE buyer_id || buyer_memo || seller_memo <> '')
             + (SELECT count(*) FROM raw_payload WHERE octet_length(body) > 0)"""
    )


SUMS = """
SELECT (SELECT count(*) FROM orders), (SELECT sum(payable_minor) FROM orders), (SELECT count(*) FROM order_line),
       (SELECT count(*) FROM package), (SELECT count(*) FROM shipment WHERE status = 'booked'),
       (SELECT count(*) FROM writeback WHERE status = 'confirmed'), (SELECT count(*) FROM notice WHERE status = 'told'),
       (SELECT sum(on_hand) FROM stock_pool), (SELECT count(*) FROM raw_payload)
"""


def test_a_shipped_order_loses_its_person_and_keeps_its_record(merchant, shipped, age, purge):
    shipped(3)
    before = merchant.rows(SUMS)
    assert persons(merchant) == 9
    age()
    assert purge.run()["persons"] == 3
    assert persons(merchant) == 0
    assert merchant.rows(SUMS) == before
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
            return {name: sorted(session.execute(ledger[name]).fetchall(), key=str) for name in ledger}

    age()
    before = reports()
    assert purge.run()["persons"] == 3
    assert reports() == before
    view = view_order(merchant.db, merchant.one("SELECT min(id) FROM orders"))
    assert (view.receiver.name, view.receiver.pii) == ("", "absent")
    assert "waybill" in str(view.timeline)


def test_nothing_is_purged_before_its_time(merchant, shipped, age, purge):
    shipped(2)
    merchant.rows("UPDATE package SET handed_over_at = now()")
    age(DAYS - 2)
    assert purge.run()["persons"] == 0
    assert persons(merchant) == 6


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
    )
    assert Purge(merchant.db, kept, batches_max=None).run().total() == 0
    assert count_due(merchant.db, kept).total() == 0


OPEN = {
    "a hold": "INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at) SELECT id, 'c', 's', 'o', now() "
    "FROM fulfillment_order",
    "a dead letter": "INSERT INTO dead_letter (step, subject_id, lane, account, order_id, code, fingerprint, causes, "
    "attempts, crashes, owner, due_at) SELECT 'notify', 1, 'p1', 'a', id, 'c', 'f', '[]', 1, 0, 'o', now() FROM orders",
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
    "a state before the end": "UPDATE fulfillment_order SET state = 'packed'",
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


@pytest.fixture
def forgotten(merchant, shipped, age, purge):
    """An order whose person is gone, as its platform had it."""
    [kept] = shipped()
    age()
    assert purge.run()["persons"] == 1
    return kept


def listed(merchant, trade, at, state=PlatformState.TO_SHIP):
    """Whether a pull would fetch the order that its platform lists so."""
    due = Pull(merchant.tools).intend
    with merchant.db.transaction() as tx:
        [one] = due(tx, [merchant.one("SELECT id FROM shop")]).intents
    return bool(Pull(merchant.tools)._unknown(one, one.window, [Listed(trade["tid_str"], at, state)], 0.0))


WAYS = {
    "the same content": {},
    "a later content": {"modified": "2026-11-29 09:10:00"},
    "another receiver": {"receiver_name": "赵六", "modified": "2026-11-29 09:10:00"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", ["pull", "webhook", "file"])
def test_a_late_content_stores_nobody(merchant, forgotten, purge, way, source):
    before = merchant.rows(SUMS)
    merchant.deliver(forgotten | WAYS[way], source=source)
    merchant.flow()
    assert persons(merchant) == 0
    assert merchant.rows(SUMS) == before
    assert merchant.rows("SELECT 1 FROM work WHERE step NOT IN ('pull', 'warehouse')") == []


def test_control_without_the_tombstone_the_person_comes_back(merchant, forgotten):
    merchant.rows("DELETE FROM tombstone")
    merchant.deliver(forgotten | WAYS["a later content"])
    merchant.flow()
    assert persons(merchant) > 0
    assert merchant.one("SELECT count(*) FROM receiver WHERE name = '林小满'") == 1


def test_a_forgotten_order_is_not_fetched_again(merchant, forgotten):
    for at in (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)):
        assert not listed(merchant, forgotten, at)
    merchant.rows("DELETE FROM tombstone")
    assert listed(merchant, forgotten, datetime(2030, 1, 1, tzinfo=UTC))


def test_an_order_that_comes_alive_is_told_to_a_person_once(merchant, forgotten, purge):
    changed_at = merchant.one("SELECT known_change FROM tombstone")
    assert not listed(merchant, forgotten, changed_at)
    purge.run()
    assert merchant.letters() == []
    for _ in range(2):
        assert not listed(merchant, forgotten, changed_at + timedelta(days=1))
        purge.run()
    assert merchant.letters() == [("pull", "order_forgotten")]
    owner, order, words = merchant.rows(
        "SELECT d.owner, g.platform_order_id, d.causes -> -1 ->> 'message' FROM dead_letter AS d "
        "JOIN pull_gap AS g ON g.id = -d.subject_id"
    )[0]
    assert (owner, order) == ("engineering", forgotten["tid_str"])
    assert "purged as in_transit" in words
    with merchant.db.connection() as session:
        assert find_breaches(session) == []


def test_that_it_was_shipped_or_is_done_is_no_news(merchant, forgotten, purge):
    later = merchant.one("SELECT known_change FROM tombstone") + timedelta(days=1)
    assert not listed(merchant, forgotten, later, PlatformState.DONE)
    purge.run()
    assert merchant.letters() == []
    assert merchant.one("SELECT refused FROM tombstone") == 1


def test_a_late_scan_moves_and_tells_nobody(merchant, forgotten):
    before, told = merchant.rows(SUMS), len(merchant.notifier.told)
    merchant.scan("packed", "handed_over")
    merchant.flow()
    assert merchant.rows(SUMS) == before
    assert len(merchant.notifier.told) == told
    assert persons(merchant) == 0


def test_a_restored_feed_cursor_moves_and_tells_nobody(merchant, forgotten):
    before, told = merchant.rows(SUMS), len(merchant.notifier.told)
    merchant.rows("UPDATE location SET feed_cursor = ''")
    merchant.scan()
    merchant.flow()
    assert merchant.rows(SUMS) == before
    assert len(merchant.notifier.told) == told
    assert merchant.rows("SELECT 1 FROM early_scan") == []


def test_a_payload_that_came_in_meanwhile_is_not_read(merchant, forgotten, purge):
    """It was stored between the look and the tombstone, so no statement of the pull could refuse it."""
    body = msgspec.json.encode({"trade": forgotten | WAYS["another receiver"]})
    merchant.rows(
        """WITH raw AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
             VALUES ('taobao', 's1', %s, '2', 'pull', 'bulk', %s) RETURNING id)
           INSERT INTO work (step, subject_id, lane, shop) SELECT 'normalize', id, 'bulk', 'taobao/s1' FROM raw""",
        *(forgotten["tid_str"], body),
    )
    merchant.flow()
    assert merchant.letters() == [("normalize", "order_forgotten")]
    purge.run()
    assert persons(merchant) == 0


def test_a_tombstone_between_the_look_and_the_lock_stores_nobody(merchant, shipped, trade):
    """What `load_raw` has read before the tombstone was there is refused by the writes themselves."""
    [kept] = shipped()
    merchant.deliver(kept | WAYS["another receiver"])
    merchant.rows(
        """INSERT INTO tombstone (platform, shop, platform_order_id, order_id, cause, end_state)
           SELECT platform, shop, platform_order_id || 'x', id, 'purged', 'in_transit' FROM orders"""
    )
    merchant.run(Step.NORMALIZE)
    assert merchant.one("SELECT name FROM receiver") != "赵六"
    fresh = trade(**PERSON)
    merchant.rows(
        "INSERT INTO tombstone (platform, shop, platform_order_id, cause, end_state) "
        "VALUES ('taobao', 's1', %s, 'purged', 'unread')",
        fresh["tid_str"],
    )
    merchant.deliver(fresh)
    merchant.flow()
    assert merchant.one("SELECT count(*) FROM orders") == 1


def test_closed_orders_go_and_orders_that_wait_stay(merchant, trade, unpaid, age, purge):
    merchant.stock(**{"TEE-1": 50})
    merchant.deliver(trade(**PERSON, **CLOSED), trade(**PERSON, **unpaid))
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


def test_an_unreadable_payload_goes_once_its_letter_is_closed(merchant, age, purge):
    merchant.rows(
        """WITH raw AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
             VALUES ('taobao', 's1', '77', '1', 'pull', 'bulk', '{"trade": {"receiver_name": "林小满"}}') RETURNING id)
           INSERT INTO work (step, subject_id, lane, shop) SELECT 'normalize', id, 'bulk', 'taobao/s1' FROM raw"""
    )
    merchant.run(Step.NORMALIZE)
    age()
    assert purge.run().total() == 0
    assert persons(merchant) == 1
    merchant.rows(
        "UPDATE dead_letter SET closed_at = now() - interval '1 year', closed_as = 'discarded', closed_by = 'li', "
        "closed_reason = 'no'"
    )
    assert purge.run()["persons"] == 1
    assert persons(merchant) == 0
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
        persons=1, pages=pages + 1, early_scans=1, events=purged["events"], gaps=0, letters=0, bulks=0, entries=0
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


def test_the_timeline_of_an_open_order_stays(merchant, trade, unpaid, age, purge):
    merchant.deliver(trade(**unpaid))
    merchant.flow()
    events = merchant.one("SELECT count(*) FROM event")
    age(500)
    purge.run()
    assert merchant.one("SELECT count(*) FROM event") == events > 0


def test_a_dry_run_counts_and_changes_nothing(merchant, shipped, age, purge):
    shipped(2)
    age()
    assert count_due(merchant.db, Retention())["persons"] == 2
    assert persons(merchant) == 6
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
        assert find_ended(session, [1, 2, 3, 4, 5], Patience(0, 0)) == []


def test_the_bodies_that_a_pull_stores_cost_no_further_statement(merchant, trade):
    raws = [raw_order(msgspec.json.encode({"trade": trade()})) for _ in range(20)]
    before = merchant.db.counts.statements
    at = datetime(2026, 11, 22, tzinfo=UTC)
    Pull(merchant.tools).store(merchant.settings.shops[0], "pull", [(Listed(r.platform_order_id, at), r) for r in raws])
    assert merchant.db.counts.statements - before == 2
