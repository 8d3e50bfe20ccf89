"""The second reading of a shop's changes: what the platform wrote late, with a time that was read long ago."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors.pull import PullStep
from adapters.ports import NARROWER, ListedChange
from domain.errors import Malformed, Throttled, Transient
from domain.gates import GateShut
from infra.engine.author import Author
from ops.verbs.letters import replay_letters

SHOP = "SELECT cursor_at FROM shop"


@pytest.fixture
def now():
    return datetime.now(UTC)


@pytest.fixture
def shop(merchant, trade, now):
    """A merchant whose platform lists five changed orders, two on a page."""
    merchant.platform.page_size = 2
    for number in range(5):
        sell(merchant, trade, f"100{number}", now - timedelta(minutes=10 - number))
    return merchant


def sell(merchant, trade, tid, at, **changes):
    merchant.platform.trades[tid] = trade(tid=tid, **changes)
    merchant.platform.changed[tid] = at


def pull(merchant):
    merchant.rows("UPDATE work SET due_at = now() WHERE step = 'pull'")
    merchant.rows("UPDATE pull_gap SET due_at = now()")
    return merchant.run("pull")


def stored(merchant):
    return [row[0] for row in merchant.rows("SELECT platform_order_id FROM raw_payload ORDER BY 1")]


@pytest.fixture
def late(shop, trade):
    """The shop was read; then an order came whose change time lies further back than windows overlap."""
    pull(shop)
    sell(shop, trade, "2001", shop.one(SHOP) - timedelta(minutes=9))
    return shop


def settle(merchant, minutes=60):
    """Let so much time pass for the shop, and read it."""
    merchant.rows(
        """UPDATE shop SET cursor_at = cursor_at - make_interval(mins => %s),
                  settled_at = settled_at - make_interval(mins => %s)""",
        minutes,
        minutes,
    )
    for tid, at in merchant.platform.changed.items():
        merchant.platform.changed[tid] = at - timedelta(minutes=minutes)
    merchant.rows("UPDATE raw_payload SET changed_at = changed_at - make_interval(mins => %s)", minutes)
    pull(merchant)


def test_a_change_that_was_written_late_is_found_by_the_second_reading_and_counted(late):
    pull(late)
    assert "2001" not in stored(late), "windows do not overlap so far"
    settle(late)
    assert "2001" in stored(late)
    assert late.platform.asked["fetch"] == 6, "what is stored is not fetched again"
    assert late.rows("SELECT account, found_late, found_late_at IS NOT NULL FROM shop") == [("taobao/s1", 1, True)]
    assert late.rows("SELECT * FROM pull_gap") == []


def test_control_without_the_second_reading_a_late_change_is_never_found(database, event_loop, make_merchant, late):
    shops = tuple(msgspec.structs.replace(shop, settle_s=0.0) for shop in late.settings.shops)
    blind = type(late)(
        database, event_loop, msgspec.structs.replace(late.settings, shops=shops), platform=late.platform
    )
    for _ in range(3):
        settle(blind)
    assert "2001" not in stored(blind)


def test_the_second_reading_begins_at_the_first_cursor_and_follows_it(shop):
    pull(shop)
    [(cursor, settled)] = shop.rows("SELECT cursor_at, settled_at FROM shop")
    assert cursor - settled == timedelta(minutes=30)
    pull(shop)
    assert len(shop.platform.windows) == 2, "too little has settled for a second reading"
    settle(shop, minutes=45)
    [window] = shop.platform.windows[3:]
    assert window.start == settled - timedelta(minutes=45)
    assert shop.one("SELECT settled_at FROM shop") == window.end
    assert shop.one("SELECT now() - %s BETWEEN '29 min' AND '31 min'", window.end)


def test_after_an_outage_the_second_reading_takes_an_hour_at_a_time_beside_the_first(shop):
    pull(shop)
    for _ in range(3):
        settle(shop, minutes=300)
    lengths = [(window.end - window.start).total_seconds() for window in shop.platform.windows]
    assert lengths.count(3600) == 3


def test_a_shop_that_was_read_before_begins_its_second_reading_now(shop):
    shop.rows("UPDATE shop SET cursor_at = now() - interval '1 minute'")
    pull(shop)
    assert shop.one("SELECT cursor_at - settled_at FROM shop") == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("error", "length_s"),
    [
        (Malformed("page"), 1800),
        (Throttled("listing_rejected", facts={NARROWER: True}, after_s=180), 1800),
        (KeyError(), 1800),
        (GateShut("taobao/s1", "rate", after_s=1), None),
    ],
)
def test_a_second_reading_that_breaks_off_leaves_the_first_alone_and_comes_again(late, error, length_s):
    changes = late.platform.changes

    async def only_the_first(window):
        if len(late.platform.windows) % 2:
            late.platform.windows.append(window)
            raise error
        async for page in changes(window):
            yield page

    cursor = late.one(SHOP)
    late.platform.windows.append(None)
    late.platform.changes = only_the_first
    settle(late)
    assert late.one(SHOP) > cursor - timedelta(minutes=1)
    assert "2001" not in stored(late)
    assert late.one("SELECT settle_window_s FROM shop") == (length_s and pytest.approx(length_s, abs=5))
    late.platform.changes = changes
    for _ in range(3):
        pull(late)
    assert "2001" in stored(late)


def test_a_second_reading_that_does_not_fit_into_the_lease_reads_half_the_next_time(late, monkeypatch):
    takes_all = PullStep._take_all

    async def short(self, due, listed, may_begin, *, is_late=False):
        return not is_late and await takes_all(self, due, listed, may_begin)

    with monkeypatch.context() as patch:
        patch.setattr(PullStep, "_take_all", short)
        settle(late)
    assert late.one(SHOP) is not None
    [(length_s, settled_at)] = late.rows("SELECT settle_window_s, settled_at FROM shop")
    assert length_s == pytest.approx(1800, abs=5)
    assert settled_at < late.platform.windows[-1].end
    for _ in range(3):
        pull(late)
    assert "2001" in stored(late)


def test_what_cannot_be_had_in_the_second_reading_is_a_gap(late):
    late.platform.errors = {"fetch 2001": [Transient("reset")]}
    settle(late)
    assert late.rows("SELECT platform_order_id FROM pull_gap") == [("2001",)]
    pull(late)
    assert "2001" in stored(late)


def test_a_replay_of_a_row_that_only_the_second_reading_has_seen_reads_its_window_again(late):
    """The row does not tell its order id, so nothing but its window leads to it."""
    changes = late.platform.changes

    async def with_a_nameless_row_written_late(window):
        async for page in changes(window):
            yield [
                *page,
                *([ListedChange("", window.end, fault="row_field_invalid")] if len(late.platform.windows) == 3 else []),
            ]

    late.platform.changes = with_a_nameless_row_written_late
    settle(late)
    window = late.platform.windows[-1]
    assert len(late.platform.windows) == 3
    replay_letters(late.db, [late.one("SELECT id FROM dead_letter")], Author("li", "the platform mended it"))
    assert late.one(SHOP) <= window.start
