"""How listed orders are fetched and kept: bounded by bytes, raw before they are read, one order's fault its own."""

from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from actors import normalize
from actors.orders import intake
from actors.orders.intake import OrderIntake
from adapters.platforms.taobao.trade import unread_order
from adapters.ports import ListedChange
from domain.errors import Malformed

LARGE = 300_000


@pytest.fixture
def shop(merchant, trade):
    """A merchant whose platform lists eight changed orders with large memos."""
    now = datetime.now(UTC)
    for number in range(8):
        tid = f"100{number}"
        merchant.platform.trades[tid] = trade(tid=tid, note="x" * LARGE)
        merchant.platform.changed[tid] = now - timedelta(minutes=10)
    return merchant


@pytest.fixture
def statements(monkeypatch):
    """The bytes of bodies that each statement carried."""
    sizes = []
    store = OrderIntake._store

    def noted(self, shop, source, raws, feed=None):
        sizes.append(sum(len(raw.body) for _, raw in raws))
        return store(self, shop, source, raws, feed)

    monkeypatch.setattr(OrderIntake, "_store", noted)
    return sizes


def pull(merchant):
    merchant.rows("UPDATE work SET due_at = now() WHERE step = 'pull'")
    merchant.rows("UPDATE pull_gap SET due_at = now()")
    return merchant.run("pull")


def stored(merchant):
    return [row[0] for row in merchant.rows("SELECT platform_order_id FROM raw_payload ORDER BY 1")]


def test_bodies_are_stored_as_soon_as_there_are_many_bytes_of_them(shop, statements, monkeypatch):
    monkeypatch.setattr(intake, "STORE_BYTES", 2 * LARGE)
    pull(shop)
    assert len(stored(shop)) == 8
    assert max(statements) < 3 * LARGE
    assert len(statements) == 4


def test_small_bodies_of_a_slice_are_one_statement(shop, statements, trade):
    for tid in shop.platform.trades:
        shop.platform.trades[tid] = trade(tid=tid)
    pull(shop)
    assert len(statements) == 1


def test_control_without_the_bound_one_statement_carries_all(shop, statements, monkeypatch):
    monkeypatch.setattr(intake, "STORE_BYTES", 2**40)
    monkeypatch.setattr(intake, "INSERT_MAX_BYTES", 2**40)
    pull(shop)
    assert [size > 8 * LARGE for size in statements] == [True]


def test_a_statement_carries_no_more_than_its_bytes_whoever_stores(merchant, trade, statements, monkeypatch):
    monkeypatch.setattr(intake, "INSERT_MAX_BYTES", 2 * LARGE + 10_000)
    merchant.deliver(*(trade(note="x" * LARGE) for _ in range(5)))
    assert [round(size / LARGE) for size in statements] == [2, 2, 1]
    assert len(stored(merchant)) == 5


def test_what_the_database_refuses_is_the_gap_of_its_order(shop, monkeypatch):
    store = OrderIntake._store

    def refusing(self, shop_, source, raws, feed=None):
        if any(raw.platform_order_id == "1003" for _, raw in raws):
            raise psycopg.DataError
        return store(self, shop_, source, raws, feed)

    monkeypatch.setattr(OrderIntake, "_store", refusing)
    pull(shop)
    assert len(stored(shop)) == 7
    assert shop.rows("SELECT platform_order_id, error FROM pull_gap") == [("1003", "DataError")]
    assert shop.one("SELECT cursor_at FROM shop") is not None


def test_an_order_that_is_listed_twice_and_cannot_be_had_is_one_gap_and_stops_nobody(merchant, trade):
    now = datetime.now(UTC)
    for tid in ("1000", "1001", "1002"):
        merchant.platform.trades[tid] = trade(tid=tid)
        merchant.platform.changed[tid] = now - timedelta(minutes=10)
    changes = merchant.platform.changes

    async def with_one_twice(window):
        async for page in changes(window):
            yield [*page, ListedChange("1001", now)]

    merchant.platform.changes = with_one_twice
    merchant.platform.errors = {"fetch 1001": [Malformed("answer_not_ours")] * 9}
    pull(merchant)
    assert stored(merchant) == ["1000", "1002"]
    assert merchant.one("SELECT cursor_at FROM shop") is not None
    assert merchant.rows("SELECT platform_order_id, changed_at, tries FROM pull_gap") == [("1001", now, 1)]


@pytest.fixture
def cut(merchant, trade):
    """A merchant with one order whose answer is cut short somewhere else each time, until it is whole again."""
    whole = msgspec.json.encode({"trade": trade(tid="2001")})
    merchant.platform.changed["2001"] = datetime.now(UTC) - timedelta(minutes=10)
    cuts = iter(range(20, 200))

    async def fetch(tid):
        body = whole[: next(cuts)]
        return unread_order(body, tid, "answer_unreadable")

    merchant.platform.trades["2001"] = msgspec.json.decode(whole)["trade"]
    merchant.platform.fetch = fetch
    return merchant


def test_an_answer_that_cannot_be_read_is_stored_quarantined_and_asked_for_again(cut):
    pull(cut)
    assert stored(cut) == ["2001"]
    assert cut.rows("SELECT platform_order_id, error, tries FROM pull_gap") == [("2001", "answer_unreadable", 1)]
    cut.run("normalize")
    assert cut.letters() == [("normalize", "payload_truncated")]
    del cut.platform.fetch
    pull(cut)
    assert cut.rows("SELECT * FROM pull_gap") == []
    cut.run("normalize")
    assert cut.states() == ["paid"]


@pytest.mark.parametrize("is_read", [False, True])
def test_of_one_order_only_a_few_unreadable_answers_are_kept(cut, is_read):
    for _ in range(7):
        pull(cut)
        if is_read:
            cut.run("normalize")
    assert stored(cut) == ["2001"] * 3
    assert cut.one("SELECT tries FROM pull_gap") == 7


def test_errors_do_not_keep_the_answers_that_they_speak_of(merchant):
    held = []

    async def fetch(tid):
        answer = bytearray(1000)
        held.append(answer)
        try:
            int(tid)
        except ValueError:
            raise Malformed("answer_not_ours") from None

    merchant.platform.fetch = lambda _tid: fetch("no number")
    errors = []
    note = OrderIntake._note_gaps

    def noted(self, feed, failed):
        errors.extend(error for _, error in failed)
        return note(self, feed, failed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OrderIntake, "_note_gaps", noted)
        merchant.platform.changed["2001"] = datetime.now(UTC) - timedelta(minutes=10)
        pull(merchant)
    [error] = errors
    frames = [frame for frame in _frames(error) if "answer" in frame.f_locals]
    assert frames == []


def _frames(error):
    trace = error.__traceback__
    while trace:
        yield trace.tb_frame
        trace = trace.tb_next


def test_a_batch_of_normalize_is_bounded_by_bytes_and_leaves_the_rest_due_without_an_attempt(
    merchant, trade, monkeypatch
):
    monkeypatch.setattr(normalize, "BATCH_BYTES", 100_000)
    monkeypatch.setattr(normalize, "LARGE_BYTES_MAX", 2 * LARGE + 10_000)
    merchant.deliver(*(trade() for _ in range(5)), *(trade(note="x" * LARGE) for _ in range(5)))
    [key] = {key for key in merchant.bells.keys if key.step == "normalize"}
    merchant.runners["normalize"].run(key)
    assert len(merchant.states()) == 7, "the small ones, and two large ones"
    assert [attempts for _, attempts in merchant.due("normalize")] == [0, 0, 0]
    merchant.run("normalize")
    assert len(merchant.states()) == 10
    assert merchant.letters() == []


def test_a_single_body_over_every_bound_is_read(merchant, trade, monkeypatch):
    monkeypatch.setattr(normalize, "BATCH_BYTES", 1)
    monkeypatch.setattr(normalize, "LARGE_BYTES_MAX", 1)
    merchant.deliver(*(trade() for _ in range(3)))
    merchant.run("normalize")
    assert len(merchant.states()) == 3
