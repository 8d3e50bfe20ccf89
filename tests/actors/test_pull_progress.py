"""A shop that changes faster than one lease can list: its pull goes on all the same, and loses nothing."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from actors.pull import Pages, PullStep, ReadResult
from adapters.ports import ListedChange, Window
from domain.errors import Throttled, Transient
from domain.gates import GateShut
from domain.windows import Marks
from infra.engine.author import Author
from infra.monitoring.alarms import alarm_on_old_cursors
from ops.verbs.letters import replay_letters
from workers.wiring import make_runners

OVERLAP_S = 300.0
CURSOR = "SELECT cursor_at FROM shop"


@dataclass
class TurningClock:
    """Time within a process: it passes only where a platform is asked."""

    at: float = 1000.0

    def monotonic(self) -> float:
        return self.at

    def utcnow(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class BusyPlatform:
    """Lists the oldest first, ten orders on a page. Each page and each fetch takes its time.

    `breaks_at`: errors by the number of the page after which they are raised.
    """

    hand: Any
    clock: TurningClock
    page_s: float = 0.0
    fetch_s: float = 0.0
    page_size: int = 10
    window_max_s: float = 172_800.0
    listed: int = 0
    breaks_at: dict[int, Exception] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)

    async def changes(self, window):
        self.windows.append(window)
        rows = sorted((at, tid) for tid, at in self.hand.changed.items() if window.start <= at < window.end)
        for start in range(0, max(1, len(rows)), self.page_size):
            self.listed += 1
            if self.listed in self.breaks_at:
                raise self.breaks_at[self.listed]
            self.clock.at += self.page_s
            yield [ListedChange(tid, at) for at, tid in rows[start : start + self.page_size]]

    async def fetch(self, platform_order_id):
        self.clock.at += self.fetch_s
        return await self.hand.fetch(platform_order_id)


@pytest.fixture
def now():
    return datetime.now(UTC)


@pytest.fixture
def busy(database, event_loop, make_merchant, trade, now):
    """`busy(orders, over_s)`: a merchant whose orders changed evenly over the `over_s` seconds until
    `until_s` seconds ago."""

    def make(orders: int, over_s: float, until_s: float = 0.0, **paces: float):
        plain = make_merchant()
        shops = tuple(msgspec.structs.replace(shop, overlap_s=OVERLAP_S, settle_s=0.0) for shop in plain.settings.shops)
        merchant = type(plain)(database, event_loop, msgspec.structs.replace(plain.settings, shops=shops))
        for number in range(orders):
            tid = f"{100_000 + number}"
            merchant.platform.trades[tid] = trade(tid=tid)
            merchant.platform.changed[tid] = now - timedelta(seconds=until_s + over_s * (orders - number) / orders)
        merchant.platform = BusyPlatform(merchant.platform, TurningClock(), **paces)
        tools = replace(merchant.tools, clock=merchant.platform.clock, platforms={shops[0].account: merchant.platform})
        merchant.runners = make_runners(tools, event_loop, 1_000_000)
        return merchant

    return make


def pull(merchant, pass_s: float = 0.0):
    """Read the shop for one lease; before it, let so much time pass in its store."""
    if pass_s:
        age(merchant, pass_s)
    merchant.rows("UPDATE work SET due_at = now() WHERE step = 'pull'")
    return merchant.run("pull")


def age(merchant, seconds: float):
    """Let time pass: all that is remembered of the shop and its orders becomes older."""
    span = timedelta(seconds=seconds)
    merchant.rows(
        "UPDATE shop SET cursor_at = cursor_at - %s, open_from = open_from - %s, open_to = open_to - %s", *[span] * 3
    )
    merchant.rows("UPDATE raw_payload SET changed_at = changed_at - %s", span)
    changed = merchant.platform.hand.changed
    changed.update({tid: at - span for tid, at in changed.items()})


def set_cursor(merchant, at, window_s=None):
    merchant.rows("UPDATE shop SET cursor_at = %s, window_s = %s", at, window_s)


def stored(merchant):
    return {row[0] for row in merchant.rows("SELECT platform_order_id FROM raw_payload")}


# 30 s of a lease are for reading, so that a lease lists 31 pages of a second: 310 changes.
TOO_FAST = {"orders": 900, "over_s": 900.0, "page_s": 1.0}


def test_a_shop_that_changes_faster_than_a_lease_can_list_is_read_to_the_present(busy, now):
    shop = busy(**TOO_FAST)
    set_cursor(shop, now - timedelta(seconds=600))
    cursors = [shop.one(CURSOR)]
    for _ in range(20):
        pull(shop)
        cursors.append(shop.one(CURSOR))
        if not shop.one("SELECT due_at <= now() FROM work WHERE step = 'pull'"):
            break
    assert cursors == sorted(cursors)
    assert now <= cursors[-1]
    assert stored(shop) == set(shop.platform.hand.changed)
    assert shop.platform.hand.asked["fetch"] == 900, "what is stored is not fetched again"
    assert shop.platform.listed < 2 * 90, "what was read whole is not listed again by the next lease"


async def read_as_before(self, due, pace):
    """One window of `window_s` from before the overlap; the cursor moves with its end, once it was read whole."""
    start = due.marks.cursor_at - timedelta(seconds=OVERLAP_S)
    end = min(due.window.end, start + timedelta(seconds=due.part_s))
    is_whole = await self._read_part(due, Window(start, end), pace.may_begin, Pages())
    part_s = 2 * due.part_s if is_whole else max(60.0, due.part_s / 2)
    marks = Marks(max(due.marks.cursor_at, end), start, end) if is_whole else due.marks
    return ReadResult(marks, part_s, is_whole=is_whole and end == due.window.end)


def test_control_with_the_old_measure_the_cursor_never_moves(busy, now, monkeypatch):
    shop = busy(**TOO_FAST)
    set_cursor(shop, now - timedelta(seconds=600), window_s=300.0)
    monkeypatch.setattr(PullStep, "_read_window", read_as_before)
    for _ in range(12):
        pull(shop)
    assert shop.one(CURSOR) == now - timedelta(seconds=600)
    assert stored(shop) < set(shop.platform.hand.changed)


def test_a_shop_that_stays_too_fast_falls_behind_and_its_cursor_moves_with_every_lease(busy, now):
    """A lease lists 36 seconds of changes while a minute passes."""
    shop = busy(orders=1500, over_s=500.0, page_s=3.0)
    set_cursor(shop, now - timedelta(seconds=500))
    gains = []
    for _ in range(14):
        before = shop.one(CURSOR) - timedelta(seconds=60)
        pull(shop, pass_s=60.0)
        gains.append((shop.one(CURSOR) - before).total_seconds())
    assert all(gain > 0 for gain in gains[2:]), "after the first two, which learn how much fits"
    cursor = shop.one(CURSOR)
    assert {tid for tid, at in shop.platform.hand.changed.items() if at < cursor} <= stored(shop)


def test_more_changes_in_one_second_than_a_lease_can_fetch_come_in_one_lease_after_the_other(busy, now):
    shop = busy(orders=200, over_s=0.5, until_s=30.0, fetch_s=0.5)
    set_cursor(shop, now - timedelta(seconds=60))
    had = []
    for _ in range(8):
        pull(shop)
        had.append(len(stored(shop)))
    assert had == sorted(had)
    assert had[0] < 100
    assert had[-1] == 200
    assert shop.one(CURSOR) >= now


def test_a_part_that_was_read_whole_stays_read_when_a_later_one_breaks_off(busy, now):
    shop = busy(orders=60, over_s=600.0)
    set_cursor(shop, now - timedelta(seconds=600), window_s=400.0)
    shop.platform.breaks_at = {6: Transient("reset")}
    pull(shop)
    first, second = shop.platform.windows
    assert (first.end, second.start) == (shop.one(CURSOR), shop.one(CURSOR))
    length_s = shop.one("SELECT window_s FROM shop")
    assert 0 < length_s <= (second.end - second.start).total_seconds() / 2
    shop.platform.windows.clear()
    pull(shop)
    assert shop.platform.windows[0].start == first.end
    assert stored(shop) == set(shop.platform.hand.changed)


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (Transient("reset"), "page"),
        (Throttled("slow", after_s=5), "order"),
        (GateShut("taobao/s1", "rate", after_s=1), "order"),
    ],
)
def test_an_error_on_the_first_page_says_nothing_of_the_length(busy, now, error, first):
    shop = busy(orders=5, over_s=60.0)
    set_cursor(shop, now - timedelta(seconds=60))
    if first == "page":
        shop.platform.breaks_at = {1: error}
    else:
        shop.platform.hand.errors = {"fetch 100000": [error]}
    pull(shop)
    assert shop.one(CURSOR) == now - timedelta(seconds=60)
    assert shop.one("SELECT window_s FROM shop") is None


def test_a_quiet_shop_is_asked_once_in_each_round(busy, now):
    shop = busy(orders=5, over_s=60.0)
    set_cursor(shop, now - timedelta(seconds=60))
    for _ in range(3):
        pull(shop, pass_s=30.0)
    assert shop.platform.listed == 3
    lengths = [(window.end - window.start).total_seconds() for window in shop.platform.windows]
    assert lengths[1:] == pytest.approx([OVERLAP_S + 30] * 2, abs=5)


def test_a_shop_that_was_quiet_again_is_soon_asked_once(busy, now):
    shop = busy(orders=5, over_s=60.0, page_s=0.1)
    set_cursor(shop, now - timedelta(seconds=60), window_s=1.0)
    calls = []
    for _ in range(3):
        before = shop.platform.listed
        pull(shop, pass_s=30.0)
        calls.append(shop.platform.listed - before)
    assert calls[0] <= 12
    assert calls[1:] == [1, 1]
    assert shop.one("SELECT window_s FROM shop") is None


def test_orders_that_could_not_be_had_have_their_turn_while_a_shop_catches_up(busy, trade, now):
    shop = busy(orders=100, over_s=100_000.0, page_s=1.0)
    set_cursor(shop, now - timedelta(seconds=100_000), window_s=1000.0)
    shop.platform.hand.trades["7"] = trade(tid="7")
    shop.rows(
        """INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error)
           SELECT id, '7', %s, 'reset' FROM shop""",
        now - timedelta(days=3),
    )
    shop.platform.window_max_s = 1000.0 + 1
    pull(shop)
    assert "7" in stored(shop)
    assert shop.one(CURSOR) < now - timedelta(seconds=80_000), "half of the lease was left to it"
    assert shop.one("SELECT due_at <= now() FROM work WHERE step = 'pull'")


def test_whoever_sets_the_cursor_back_during_a_reading_is_obeyed(busy, now):
    shop = busy(orders=5, over_s=60.0)
    set_cursor(shop, now - timedelta(seconds=60))
    back = now - timedelta(days=1)
    changes = shop.platform.changes

    async def meanwhile(window):
        set_cursor(shop, back)
        async for page in changes(window):
            yield page

    shop.platform.changes = meanwhile
    pull(shop)
    assert shop.one(CURSOR) == back
    shop.platform.changes = changes
    pull(shop)
    assert shop.platform.windows[-1].start <= back
    assert shop.one(CURSOR) > now


def test_a_replay_of_a_row_without_an_order_id_reads_its_part_again(busy, now):
    shop = busy(orders=5, over_s=60.0)
    set_cursor(shop, now - timedelta(seconds=3000), window_s=1000.0)
    changes = shop.platform.changes

    async def with_a_nameless_row(window):
        async for page in changes(window):
            yield [
                *page,
                *([ListedChange("", window.end, fault="row_field_invalid")] if len(shop.platform.windows) == 2 else []),
            ]

    shop.platform.changes = with_a_nameless_row
    pull(shop)
    part = shop.platform.windows[1]
    replay_letters(shop.db, [shop.one("SELECT id FROM dead_letter")], Author("li", "the platform mended it"))
    shop.platform.changes = changes
    shop.platform.windows.clear()
    pull(shop)
    assert shop.platform.windows[0].start <= part.start


def test_somebody_hears_of_a_shop_that_is_read_and_stays_behind(busy, now):
    shop = busy(orders=1500, over_s=500.0, page_s=3.0)
    shops = shop.settings.shops
    shop.rows("UPDATE shop SET created_at = created_at - interval '1 day'")
    set_cursor(shop, now - timedelta(seconds=400))
    assert alarm_on_old_cursors(shop.db, shops) == 0
    for _ in range(12):
        pull(shop, pass_s=100.0)
    assert shop.one("SELECT read_at > now() - interval '1 minute' FROM shop")
    assert alarm_on_old_cursors(shop.db, shops) == 1
