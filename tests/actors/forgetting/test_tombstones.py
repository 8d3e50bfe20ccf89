"""Nothing brings a forgotten person back."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors.pull import PullStep
from adapters.platforms.taobao.trade import raw_order
from adapters.ports import ListedChange
from domain.order import PlatformState
from infra.engine.author import Author
from infra.engine.replay import replay
from infra.monitoring.invariants import find_breaches
from infra.tables.letters import LETTERS


def listed(merchant, trade, at, state=PlatformState.TO_SHIP):
    """Whether a pull would fetch the order that its platform lists so."""
    due = PullStep(merchant.tools).intend
    with merchant.db.transaction() as tx:
        [one] = due(tx, [merchant.one("SELECT id FROM shop")]).intents
    return bool(PullStep(merchant.tools)._unknown(one, one.window, [ListedChange(trade["tid_str"], at, state)], 0.0))


WAYS = {
    "the same content": {},
    "a later content": {"modified": "2026-11-29 09:10:00"},
    "another receiver": {"receiver_name": "赵六", "modified": "2026-11-29 09:10:00"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", ["pull", "webhook", "file"])
def test_a_late_content_stores_nobody(merchant, forgotten, way, source, *, persons, sums):
    before = sums()
    merchant.deliver(forgotten | WAYS[way], source=source)
    merchant.flow()
    assert persons() == 0
    assert sums() == before
    assert merchant.rows("SELECT 1 FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse')") == []


def test_control_without_the_tombstone_the_person_comes_back(merchant, forgotten, persons):
    merchant.rows("DELETE FROM tombstone")
    merchant.deliver(forgotten | WAYS["a later content"])
    merchant.flow()
    assert persons() > 0
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


def test_a_late_scan_moves_and_tells_nobody(merchant, forgotten, persons, sums):
    before, told = sums(), len(merchant.notifier.told)
    merchant.scan("packed", "handed_over")
    merchant.flow()
    assert sums() == before
    assert len(merchant.notifier.told) == told
    assert persons() == 0


def test_a_restored_feed_cursor_moves_and_tells_nobody(merchant, forgotten, sums):
    before, told = sums(), len(merchant.notifier.told)
    merchant.rows("UPDATE location SET feed_cursor = ''")
    merchant.scan()
    merchant.flow()
    assert sums() == before
    assert len(merchant.notifier.told) == told
    assert merchant.rows("SELECT 1 FROM early_scan") == []


def test_a_payload_that_came_in_meanwhile_is_not_read(merchant, forgotten, purge, persons):
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
    assert persons() == 0


def test_what_was_stored_all_the_same_goes_with_its_time_whatever_became_of_its_letter(
    merchant, forgotten, purge, age, persons
):
    merchant.rows(
        "INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body) "
        "VALUES ('taobao', 's1', %s, '2', 'pull', 'bulk', 'x')",
        forgotten["tid_str"],
    )
    purge.run()
    assert persons() == 1
    age()
    assert purge.run()["persons"] == 1
    assert persons() == 0


def test_an_old_letter_that_is_opened_and_replayed_reads_nothing(merchant, age, purge):
    merchant.rows(
        """WITH raw AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
             VALUES ('taobao', 's1', '77', '1', 'pull', 'bulk', 'no order') RETURNING id)
           INSERT INTO work (step, subject_id, lane, shop) SELECT 'normalize', id, 'bulk', 'taobao/s1' FROM raw"""
    )
    merchant.run("normalize")
    letter = merchant.one("SELECT id FROM dead_letter")
    author = Author("li", "try again")
    with merchant.db.transaction() as tx:
        tx.execute(
            "UPDATE dead_letter SET closed_at = now(), closed_as = 'discarded', closed_by = 'li', closed_reason = ''"
        )
    age()
    assert purge.run()["persons"] == 1
    with merchant.db.transaction() as tx:
        assert tx.execute(LETTERS["reopen"], {"id": letter}).fetchone()
    with merchant.db.transaction() as tx:
        assert [one.answer for one in replay(tx, [letter], author)[0]] == ["replayed"]
    merchant.run("normalize")
    assert merchant.rows("SELECT code FROM dead_letter WHERE closed_at IS NULL") == [("order_forgotten",)]
    assert merchant.rows("SELECT 1 FROM orders") == []


def test_a_tombstone_between_the_look_and_the_lock_stores_nobody(merchant, shipped, trade, person):
    """What `load_raw` has read before the tombstone was there is refused by the writes themselves."""
    [kept] = shipped()
    merchant.deliver(kept | WAYS["another receiver"])
    merchant.rows(
        """INSERT INTO tombstone (platform, shop, platform_order_id, order_id, cause, end_state)
           SELECT platform, shop, platform_order_id || 'x', id, 'purged', 'in_transit' FROM orders"""
    )
    merchant.run("normalize")
    assert merchant.one("SELECT name FROM receiver") != "赵六"
    fresh = trade(**person)
    merchant.rows(
        "INSERT INTO tombstone (platform, shop, platform_order_id, cause, end_state) "
        "VALUES ('taobao', 's1', %s, 'purged', 'unread')",
        fresh["tid_str"],
    )
    merchant.deliver(fresh)
    merchant.flow()
    assert merchant.one("SELECT count(*) FROM orders") == 1


def test_the_bodies_that_a_pull_stores_cost_no_further_statement(merchant, trade):
    raws = [raw_order(msgspec.json.encode({"trade": trade()})) for _ in range(20)]
    before = merchant.db.counts.statements
    at = datetime(2026, 11, 22, tzinfo=UTC)
    PullStep(merchant.tools).store(
        merchant.settings.shops[0], "pull", [(ListedChange(r.platform_order_id, at), r) for r in raws]
    )
    assert merchant.db.counts.statements - before == 2
