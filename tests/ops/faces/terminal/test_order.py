import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from infra.tables.inspect import Match
from ops.faces.terminal.order import print_matches, print_order
from ops.views.order import DeadLetterView, WorkView, view_order


def on_screen(show, *values, width=100) -> str:
    screen = io.StringIO()
    show(*values, Console(file=screen, width=width, highlight=False, markup=False, emoji=False))
    return screen.getvalue()


@pytest.fixture
def shipped(played):
    return view_order(played.db, played.ids("packed")[0])


@pytest.fixture
def held(played):
    return view_order(played.db, played.ids("on_hold")[0])


def test_a_shipped_order_fits_a_terminal_and_tells_where_it_is(shipped) -> None:
    screen = on_screen(print_order, shipped)
    first = screen.splitlines()[0]
    assert f"{shipped.platform}/{shipped.shop}/{shipped.platform_order_id}" in first
    assert "packed" in first
    assert shipped.packages[0].shipments[0].waybill in screen
    assert "has left" in screen
    assert f"consumed at {shipped.packages[0].location}" in screen
    assert "track" in screen
    assert max(map(len, screen.splitlines())) <= 100


def test_times_are_chinas(shipped) -> None:
    moment = shipped.timeline[0].at + timedelta(hours=8)
    assert f"{moment:%m-%d %H:%M:%S}" in on_screen(print_order, shipped)


def test_a_held_order_names_who_must_act_and_until_when(held) -> None:
    screen = on_screen(print_order, held, width=140)
    for hold in held.open_holds:
        assert hold.code in screen
        assert hold.owner in screen
    assert " left" in screen
    assert "it waits for its hold to be released" in screen


def test_what_is_past_its_time_is_said_to_be_late(held) -> None:
    late = replace(held, seen_at=held.seen_at + timedelta(days=5))
    assert "4 days late" in on_screen(print_order, late, width=140)


def test_a_dead_letter_shows_its_cause_chain_and_work_its_next_time(held) -> None:
    causes = [
        {
            "attempt": n,
            "code": "not_read_back",
            "message": "nothing there",
            "at": "actors/writeback.py:1",
            "behind": [{"type": "builtins.TimeoutError"}],
        }
        for n in (1, 2)
    ]
    letter = DeadLetterView(
        id=7,
        step="writeback",
        code="not_read_back",
        owner="engineering",
        opened_at=held.seen_at,
        due_at=held.seen_at + timedelta(hours=2),
        attempts=2,
        crashes=0,
        causes=causes,
    )
    work = WorkView(
        step="notify",
        subject_id=1,
        lane="p1",
        account="webhook/buyers",
        attempts=3,
        crashes=0,
        is_running=False,
        due_at=held.seen_at + timedelta(minutes=5),
        last_error="http_503",
    )
    screen = on_screen(print_order, replace(held, dead_letters=(letter,), work=(work,)))
    for shown in ("writeback: not_read_back", "try 1", "try 2", "builtins.TimeoutError", "in 5 min", "http_503"):
        assert shown in screen


def test_texts_of_buyers_are_never_read_as_markup(shipped) -> None:
    line = replace(shipped.lines[0], title="[red]雨衣[/red] :smile:")
    assert "[red]雨衣[/red] :smile:" in on_screen(print_order, replace(shipped, lines=(line,)))


def test_several_matches_are_listed_with_the_id_that_means_one(shipped) -> None:
    matches = [Match(n, "taobao", f"shop-{n}", "77", shipped.placed_at) for n in (1, 2)]
    screen = on_screen(print_matches, "77", matches)
    assert "taobao/shop-1/77" in screen
    assert "taobao/shop-2/77" in screen
