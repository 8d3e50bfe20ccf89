from datetime import UTC, datetime, timedelta

import pytest

from adapters.ports import NARROWER, ListedChange
from domain.errors import Malformed, Misconfigured, Poison, Refused, Throttled, Transient
from domain.gates import PAUSED, GateShut
from infra.engine.author import Author
from infra.monitoring.alarms import alarm_on_silent_feeds
from infra.process.clock import SystemClock
from infra.sweeper.bulk_replay import LetterDuties
from infra.sweeper.stuck_work import Sweeper
from infra.tables.letters import LetterFilter, load_letter, load_page
from ops.verbs.bulk import start
from ops.verbs.letters import replay_letters
from ops.views.bulk import look

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


def test_a_whole_window_is_stored_and_the_cursor_moves_to_its_end(shop):
    pull(shop)
    assert stored(shop) == ["1000", "1001", "1002", "1003", "1004"]
    assert len(shop.due("normalize")) == 5
    [window] = shop.platform.windows
    assert shop.one(SHOP) == window.end
    assert window.end - window.start == timedelta(days=1, seconds=60)
    [[due_in_s]] = shop.rows("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'pull'")
    assert 20 < due_in_s <= 30
    assert shop.one("SELECT read_at FROM shop") is not None


def test_the_next_window_overlaps_the_last(shop, now):
    shop.rows("UPDATE shop SET cursor_at = %s", now - timedelta(hours=1))
    pull(shop)
    [window] = shop.platform.windows
    assert window.start == now - timedelta(hours=1, seconds=60)


def test_no_part_is_longer_than_the_platform_allows_and_each_follows_the_last(shop, now):
    shop.platform.window_max_s = 600.0
    shop.rows("UPDATE shop SET cursor_at = %s", now - timedelta(minutes=30))
    pull(shop)
    windows = shop.platform.windows
    assert [window.end - window.start for window in windows[:3]] == [timedelta(seconds=600)] * 3
    assert [window.start for window in windows[1:]] == [window.end for window in windows[:-1]]
    assert shop.one(SHOP) == windows[-1].end
    assert len(stored(shop)) == 5
    assert not shop.one("SELECT due_at <= now() FROM work WHERE step = 'pull'")


def test_known_content_is_not_fetched_again(shop, trade, now):
    pull(shop)
    shop.rows("UPDATE shop SET cursor_at = %s", now - timedelta(hours=1))
    pull(shop)
    assert shop.platform.asked["fetch"] == 5
    sell(shop, trade, "1002", now - timedelta(minutes=1), modified="2026-11-22 12:00:00")
    shop.rows("UPDATE shop SET cursor_at = %s", now - timedelta(hours=1))
    pull(shop)
    assert shop.platform.asked["fetch"] == 6
    assert stored(shop).count("1002") == 2


@pytest.mark.parametrize(
    "error", [Transient("down"), Throttled("slow", after_s=5), Misconfigured("session"), KeyError()]
)
def test_a_window_that_breaks_off_keeps_what_it_has_and_not_the_cursor(shop, error):
    shop.platform.errors = {"next_page": [error]}
    pull(shop)
    assert len(stored(shop)) == 2
    assert shop.rows("SELECT cursor_at, read_at FROM shop") == [(None, None)]
    pull(shop)
    assert len(stored(shop)) == 5
    assert shop.one(SHOP) is not None
    assert shop.platform.asked["fetch"] == 5


OF_ACCOUNT = [
    Throttled("slow", after_s=5),
    Misconfigured("session", facts={PAUSED: "taobao/s1"}),
    GateShut("taobao/s1", "open", after_s=5),
]


@pytest.mark.parametrize("error", OF_ACCOUNT, ids=lambda error: error.code)
def test_what_the_platform_says_of_the_whole_account_stops_the_window(shop, error):
    shop.platform.errors = {"fetch 1001": [error]}
    pull(shop)
    assert shop.one(SHOP) is None
    assert stored(shop) == ["1000"], "its neighbour on the page is kept"
    gap = ("1001", error.code, 0, [])
    assert shop.rows("SELECT platform_order_id, error, tries, causes FROM pull_gap") == [gap], "no try was spent"
    pull(shop)
    assert len(stored(shop)) == 5
    assert shop.rows("SELECT * FROM pull_gap") == []


def test_a_gate_that_only_paces_the_shop_makes_no_gaps(shop):
    shop.platform.errors = {"fetch 1001": [GateShut("taobao/s1", "rate", after_s=1)]}
    pull(shop)
    assert shop.rows("SELECT * FROM pull_gap") == []
    pull(shop)
    assert len(stored(shop)) == 5


def test_a_window_with_poison_before_a_shut_gate_moves_on(shop):
    """Poison that opened the gate is a gap already when the window is read again."""
    shut = GateShut("taobao/s1", "open", after_s=5)
    shop.platform.errors = {"fetch 1000": [Malformed("cut")] * 9, "fetch 1001": [shut], "fetch 1002": [shut]}
    pull_without_gaps(shop)
    assert shop.rows("SELECT platform_order_id, tries FROM pull_gap ORDER BY 1") == [("1000", 1), ("1001", 0)]
    pull_without_gaps(shop)
    pull_without_gaps(shop)
    assert shop.one(SHOP) is not None
    assert shop.platform.asked["fetch 1000"] == 1
    assert stored(shop) == ["1003", "1004"]
    pull(shop)
    assert stored(shop) == ["1001", "1002", "1003", "1004"]


def pull_without_gaps(merchant):
    """Read the shop while none of its gaps is due."""
    merchant.rows("UPDATE pull_gap SET due_at = now() + interval '1 hour'")
    merchant.rows("UPDATE work SET due_at = now() WHERE step = 'pull'")
    return merchant.run("pull")


OF_ONE_ORDER = [
    Poison("unreadable"),
    Transient("reset"),
    Malformed("cut"),
    Refused("order_not_found"),
    Misconfigured("request_invalid"),
    ZeroDivisionError(),
    ArithmeticError(),
]


def code(error):
    return getattr(error, "code", type(error).__name__)


@pytest.mark.parametrize("error", OF_ONE_ORDER, ids=code)
def test_one_order_that_cannot_be_had_is_a_gap_and_stops_nobody(shop, error):
    shop.platform.errors = {"fetch 1001": [error, error]}
    pull(shop)
    assert stored(shop) == ["1000", "1002", "1003", "1004"]
    assert shop.one(SHOP) is not None
    assert shop.rows("SELECT platform_order_id, error, tries FROM pull_gap") == [("1001", code(error), 1)]
    shop.platform.changed.clear()
    pull(shop)
    assert shop.rows("SELECT tries FROM pull_gap") == [(2,)]
    pull(shop)
    assert "1001" in stored(shop)
    assert shop.rows("SELECT * FROM pull_gap") == []


def test_a_gap_is_tried_again_after_a_pause_that_doubles(shop):
    shop.platform.errors = {"fetch 1001": [Transient("reset")] * 20}
    pauses = []
    for _ in range(9):
        pull(shop)
        pauses.append(shop.one("SELECT extract(epoch FROM due_at - now())::float8 FROM pull_gap"))
    assert [round(pause / 15) * 15 for pause in pauses] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    pull_without_gaps(shop)
    assert shop.platform.asked["fetch 1001"] == 9, "neither when it is listed again nor before its time"


def test_a_newer_change_of_a_gap_is_fetched_at_once(shop, now):
    shop.platform.errors = {"fetch 1001": [Transient("reset")]}
    pull(shop)
    shop.rows("UPDATE shop SET cursor_at = %s", now - timedelta(hours=1))
    shop.platform.changed["1001"] = now - timedelta(minutes=2)
    pull_without_gaps(shop)
    assert "1001" in stored(shop)
    assert shop.rows("SELECT * FROM pull_gap") == []


def test_old_gaps_do_not_keep_new_orders_waiting(shop, trade, now):
    shop.rows(
        """INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error)
           SELECT id, (90000 + n)::text, now(), 'reset' FROM shop, generate_series(1, 300) AS n"""
    )
    asked = []
    shop.platform.fetch, fetch = lambda tid: asked.append(tid) or fetch(tid), shop.platform.fetch
    pull(shop)
    assert asked[:5] == ["1000", "1001", "1002", "1003", "1004"]
    assert len(asked) == 205, "two hundred gaps in one round"
    assert shop.one(SHOP) is not None


def test_gaps_are_tried_although_the_listing_cannot_be_read(shop):
    shop.platform.errors = {"fetch 1001": [Transient("reset")]}
    pull(shop)
    shop.platform.errors = {"changes": [Malformed("page")]}
    pull(shop)
    assert "1001" in stored(shop)


def test_a_row_that_does_not_tell_its_order_id_is_a_dead_letter_and_stops_nobody(shop, now):
    unnamed = ListedChange("", now, fault="row_field_invalid")
    changes = shop.platform.changes

    async def with_a_nameless_row(window):
        async for page in changes(window):
            yield [*page, unnamed]

    shop.platform.changes = with_a_nameless_row
    for _ in range(2):
        pull(shop)
    assert len(stored(shop)) == 5
    assert shop.letters() == [("pull", "row_field_invalid")], "one, however often it is listed"
    cursor = shop.one(SHOP)
    letter = shop.one("SELECT id FROM dead_letter")
    shop.platform.changes = changes
    [answer] = replay_letters(shop.db, [letter], Author("li", "the platform mended it"))
    assert answer.answer == "replayed"
    assert shop.one(SHOP) < cursor, "its window is read again"
    pull(shop)
    assert shop.rows("SELECT * FROM pull_gap") == []


def test_a_platform_that_wants_a_shorter_window_gets_one_after_its_pause(shop):
    shop.platform.errors = {"changes": [Throttled("listing_rejected", facts={NARROWER: True}, after_s=180)]}
    pull(shop)
    [(pause, half, read_at)] = shop.rows(
        """SELECT extract(epoch FROM w.due_at - now())::float8, s.window_s, s.read_at
           FROM shop AS s JOIN work AS w ON w.step = 'pull' AND w.subject_id = s.id"""
    )
    assert 170 < pause <= 180
    assert half == pytest.approx((86_400 + 60) / 2)
    assert read_at is None
    pull(shop)
    [_, shorter, rest] = shop.platform.windows
    assert (shorter.end - shorter.start).total_seconds() == pytest.approx(half)
    assert shop.one(SHOP) == rest.end


@pytest.fixture
def given_up(shop):
    """Order 1001 could not be had for two hours; its letter's id."""
    shop.platform.errors = {"fetch 1001": [Poison("unreadable", "no JSON"), *[Transient("reset")] * 30]}
    for _ in range(9):
        pull(shop)
    assert shop.letters() == [], "it was not tried for long enough"
    shop.rows("UPDATE pull_gap SET noticed_at = noticed_at - interval '2 hours'")
    pull(shop)
    return shop.one("SELECT id FROM dead_letter")


def fetched(shop):
    return shop.platform.asked["fetch 1001"]


def test_an_order_that_cannot_be_had_for_long_becomes_a_dead_letter(shop, given_up):
    letter = load_one(shop, given_up)
    assert (letter.step, letter.account, letter.order_name) == ("pull", "taobao/s1", "taobao/s1/1001")
    assert (letter.attempts, letter.owner, letter.code) == (10, "engineering", "reset")
    assert [(cause["attempt"], cause["code"]) for cause in letter.causes][:2] == [(1, "unreadable"), (2, "reset")]
    assert len(letter.causes) == 10
    tries = fetched(shop)
    pull(shop)
    assert fetched(shop) == tries, "nobody asks for it again"
    assert shop.due("pull"), "the shop is read on"


def test_a_replay_asks_for_it_again(shop, given_up):
    shop.platform.errors.clear()
    [answer] = replay_letters(shop.db, [given_up], Author("li", "the platform mended it"))
    assert answer.answer == "replayed"
    assert shop.run("pull") == 1, "at once"
    assert "1001" in stored(shop)
    assert shop.rows("SELECT * FROM pull_gap") == []


def test_a_replay_that_does_not_help_becomes_a_letter_again(shop, given_up):
    replay_letters(shop.db, [given_up], Author("li", "try"))
    for _ in range(9):
        shop.rows("UPDATE pull_gap SET noticed_at = noticed_at - interval '1 hour'")
        pull(shop)
    [(_, replays)] = shop.rows("SELECT id, replays FROM dead_letter WHERE closed_at IS NULL")
    assert replays == 1


def test_its_letter_closes_by_itself_when_the_platform_lists_it_anew(shop, trade, given_up):
    shop.platform.errors.clear()
    sell(shop, trade, "1001", datetime.now(UTC), modified="2026-11-22 12:00:00")
    shop.rows("UPDATE shop SET cursor_at = cursor_at - interval '1 minute'")
    shop.platform.changed["1001"] = shop.one("SELECT now() - interval '30 seconds'")
    pull(shop)
    assert "1001" in stored(shop)
    LetterDuties(shop.db, shop.bells).close_superseded()
    assert load_one(shop, given_up).closed_as == "superseded"


@pytest.fixture
def namesake(shop):
    """The gap of order 1001 has the number that its shop has."""
    shop.rows(
        """INSERT INTO pull_gap (id, shop_id, platform_order_id, changed_at, error) OVERRIDING SYSTEM VALUE
           SELECT id, id, '1001', now(), 'reset' FROM shop"""
    )


@pytest.fixture
def kill(shop):
    """Let the shop's reading end a third worker; the number of its letter."""

    def kill_once_more():
        shop.rows("UPDATE work SET is_suspect = true, crashes = 2 WHERE step = 'pull'")
        shop.rows(
            """INSERT INTO flight (token, worker, step, subject_ids, is_alone)
               SELECT gen_random_uuid(), 999999, step, array_agg(subject_id), true FROM work WHERE step = 'pull'
               GROUP BY step"""
        )
        Sweeper(shop.db, shop.bells, SystemClock(), 3).free_crashed()
        assert shop.due("pull") == []
        return shop.one("SELECT id FROM dead_letter WHERE code = 'worker_killed' AND closed_at IS NULL")

    return kill_once_more


def test_a_shop_and_a_gap_of_the_same_number_have_letters_of_their_own(shop, namesake, given_up, kill):
    of_shop = kill()
    with shop.db.connection() as connection:
        page = load_page(connection, LetterFilter(step="pull"), limit=10)
    assert [(letter.id, letter.order_name) for letter in page] == [(given_up, "taobao/s1/1001"), (of_shop, None)]
    assert load_one(shop, of_shop).order_name is None


@pytest.mark.parametrize("has_namesake", [False, True])
def test_the_letter_of_a_shop_is_never_done_already_and_its_replay_reads_on(shop, request, kill, has_namesake):
    if has_namesake:
        request.getfixturevalue("namesake")
    of_shop = kill()
    LetterDuties(shop.db, shop.bells).close_superseded()
    assert load_one(shop, of_shop).closed_as is None
    [answer] = replay_letters(shop.db, [of_shop], Author("li", "the parser is mended"))
    assert answer.answer == "replayed"
    pull(shop)
    assert len(stored(shop)) == 5


def test_a_shop_whose_work_is_a_dead_letter_is_a_silent_feed(shop, kill):
    pull(shop)
    kill()
    shop.rows("UPDATE shop SET read_at = now() - interval '3 hours'")
    assert alarm_on_silent_feeds(shop.db) == 1


def test_in_bulk_a_shop_came_through_when_it_was_read_and_a_gap_when_it_was_fetched(shop, namesake, given_up, kill):
    of_shop = kill()
    shop.rows("UPDATE dead_letter SET code = 'bug' WHERE id = %s", of_shop)
    shop.platform.errors.clear()
    duties = LetterDuties(shop.db, shop.bells)
    for code in ("bug", "reset"):
        bulk = start(shop.db, LetterFilter(step="pull", code=code), 50.0, Author("li", "mended"))
        for _ in range(3):
            duties.run()
        assert look(shop.db, bulk.id).members == {"replayed": 1}, "nobody has asked the platform yet"
        pull(shop)
        duties.run()
        duties.run()
        assert (look(shop.db, bulk.id).members, look(shop.db, bulk.id).is_over) == ({"done": 1}, True)
    assert "1001" in stored(shop)


def load_one(shop, letter_id):
    with shop.db.connection() as connection:
        return load_letter(connection, letter_id)


def test_a_shop_is_never_given_up(shop):
    shop.platform.errors = {"changes": [ZeroDivisionError()] * 20}
    for _ in range(20):
        pull(shop)
    assert shop.letters() == []
    pull(shop)
    assert len(stored(shop)) == 5


def test_a_lease_that_runs_low_stops_the_reading_and_goes_on_at_once(make_merchant, trade, now):
    merchant = make_merchant(lease_s=14.9)
    sell(merchant, trade, "1000", now - timedelta(minutes=1))
    pull(merchant)
    assert stored(merchant) == []
    assert merchant.one(SHOP) is None
    assert merchant.one("SELECT due_at <= now() FROM work WHERE step = 'pull'")
    half = merchant.one("SELECT window_s FROM shop")
    assert half == pytest.approx((86_400 + 60) / 2)
    pull(merchant)
    [_, window] = merchant.platform.windows
    assert (window.end - window.start).total_seconds() == pytest.approx(half)
    assert merchant.one(SHOP) == window.end, "the first half has nothing in it, so the cursor moves on"


def test_a_shop_that_has_caught_up_reads_whole_windows_again(shop):
    shop.rows("UPDATE shop SET window_s = 100000000")
    pull(shop)
    assert shop.one("SELECT window_s FROM shop") is None


def test_the_provisional_lane_comes_with_the_payload(merchant, trade, now):
    sell(merchant, trade, "1001", now - timedelta(minutes=2), trade_attr='{"live": 1, "vip": "plus"}')
    sell(merchant, trade, "1002", now - timedelta(minutes=1))
    pull(merchant)
    lanes = "SELECT platform_order_id, r.lane, w.lane FROM raw_payload AS r JOIN work AS w ON w.subject_id = r.id"
    assert merchant.rows(f"{lanes} WHERE w.step = 'normalize' ORDER BY 1") == [
        ("1001", "p0", "p0"),
        ("1002", "bulk", "bulk"),
    ]


def test_a_shop_that_is_no_longer_configured_is_asked_no_more(merchant):
    gone = merchant.one("INSERT INTO shop (account) VALUES ('taobao/gone') RETURNING id")
    merchant.rows("INSERT INTO work (step, subject_id, lane) VALUES ('pull', %s, 'p1')", gone)
    pull(merchant)
    assert [id_ for id_, _ in merchant.due("pull")] != [gone]
    assert len(merchant.due("pull")) == 1
