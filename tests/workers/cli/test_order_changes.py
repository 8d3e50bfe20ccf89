"""Stops and changes of orders at the command line: one or many, a dry run, refusals that name the next command."""

import re
from pathlib import Path

import pytest

from ops.verbs.bulk_acts import BulkActs
from workers.cli.exits import Exit

_FILL = Path(__file__).with_name("six_orders.sql")
WHY = ("--reason", "the warehouse is being counted")


@pytest.fixture(autouse=True)
def _six_orders(monkeypatch, database, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    with database.connection() as connection:
        connection.execute(_FILL.read_bytes())


@pytest.fixture
def rows(database):
    def read(query):
        with database.connection() as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    return read


@pytest.fixture
def labelled(rows):
    """Order 1 has a waybill."""
    rows("UPDATE fulfillment_order SET state = 'allocated', location = 'east' WHERE order_id = 1")
    rows(
        "INSERT INTO package (fulfillment_order_id, number, account, courier, location)"
        " SELECT id, 1, 'sf/main', 'sf', 'east' FROM fulfillment_order WHERE order_id = 1"
    )
    rows(
        "INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)"
        " SELECT id, 1, 'ref-1', 'sf', 'booked', 'SF1', now() FROM package"
    )


def plain(text):
    return " ".join(text.split())


def test_one_order_is_stopped_and_the_stop_taken_back(orderlane, rows) -> None:
    done = orderlane("order", "stop", "main/1001", *WHY)
    assert (done.exit_code, rows("SELECT order_id, author, status FROM stop")[0][0]) == (0, 1)
    assert "order 1 is being stopped. Next: close it, with its stock back." in done.stdout
    assert "`orderlane order show 1` says where it stands" in done.stdout
    again = orderlane("order", "stop", "1", *WHY)
    assert (again.exit_code, "stop_open: order 1 is being stopped: `order show 1`" in again.stderr) == (5, True)
    back = orderlane("order", "stop", "1", "--withdraw", *WHY)
    assert (back.exit_code, "is taken back" in back.stdout) == (0, True)
    assert rows("SELECT status FROM stop") == [("withdrawn",)]
    assert orderlane("order", "stop", "1", "--goods-here", *WHY).exit_code == 5


@pytest.mark.parametrize("verb", ["stop", "close", "relabel", "reroute"])
def test_a_dry_run_needs_no_reason_and_changes_nothing(orderlane, rows, labelled, verb) -> None:
    done = orderlane("order", verb, "2" if verb == "close" else "1", "--dry-run")
    assert (done.exit_code, "would" in done.stdout) == (0, True)
    assert (rows("SELECT 1 FROM stop"), rows("SELECT 1 FROM audit")) == ([], [])


def test_a_change_needs_a_reason(orderlane) -> None:
    assert orderlane("order", "stop", "1").exit_code == Exit.USAGE


def test_many_are_stopped_by_a_filter_after_a_preview(orderlane, rows, database) -> None:
    drafted = orderlane("order", "stop", "--shop", "main", *WHY)
    assert (drafted.exit_code, "3 stop_asked" in drafted.stdout, rows("SELECT 1 FROM stop")) == (0, True, [])
    token = re.search(r"--token (\w+)", drafted.stdout)[1]
    number = re.search(r"bulk (\d+)", drafted.stdout)[1]
    assert orderlane("bulk", "confirm", number, "--token", token).exit_code == 0
    BulkActs(database).run()
    assert rows("SELECT order_id FROM stop ORDER BY 1") == [(1,), (2,), (3,)]
    assert rows("SELECT count(*) FROM audit WHERE verb = 'order_stopped'") == [(3,)]


@pytest.mark.parametrize("verb", ["close", "relabel", "reroute", "unsplit"])
def test_every_change_takes_many(orderlane, verb, labelled) -> None:
    done = orderlane("order", verb, "1", "2", *WHY)
    assert (done.exit_code, f"order.{verb}, is a draft" in done.stdout) == (0, True)


def test_one_line_of_many_orders_is_stopped(orderlane, rows) -> None:
    rows(
        "INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)"
        " SELECT id, order_id, 'l1', 1 FROM fulfillment_order"
    )
    done = orderlane("order", "stop", "1", "2", "--line", "TEE", "--expect", "1", "--here", *WHY)
    assert (done.exit_code, rows("SELECT order_id FROM stop")) == (6, [(1,)])


@pytest.mark.parametrize(
    "arguments",
    [
        ("stop", "1", "2", "--dry-run"),
        ("stop", "1", "--withdraw", "--line", "TEE", *WHY),
        ("stop", "1", "2", "--withdraw", *WHY),
        ("stop", *WHY),
        ("reroute", "1", "--to", "nowhere", *WHY),
        ("split", "1", *WHY),
        ("split", "1", "--line", "CUP", *WHY),
    ],
)
def test_what_says_nothing_clear_is_a_usage_error(orderlane, arguments) -> None:
    assert orderlane("order", *arguments).exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("order", "close", "1"), "`order stop 1 --reason R` stops and closes it"),
        (("order", "relabel", "2"), "it will be booked to the present address"),
        (("order", "reroute", "2"), "the location is still to be chosen"),
        (("order", "split", "1", "--line", "TEE"), "`order hold 1 --reason R`, then `order reroute 1 --reason R`"),
        (("order", "unsplit", "2"), "has no two parts"),
        (("package", "void", "SF1"), "`order relabel 1 --reason R` books another in its place"),
    ],
)
def test_a_refusal_says_what_to_do_instead(orderlane, labelled, arguments, told) -> None:
    done = orderlane(*arguments, *WHY)
    assert (done.exit_code, told in plain(done.stderr)) == (5, True), done.stderr


def test_a_refund_is_released_by_an_option_of_its_own(orderlane, rows) -> None:
    rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'paid' WHERE order_id = 1")
    rows(
        "INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)"
        " SELECT id, 'refund_requested', 'review', 'service', now(), '{}' FROM fulfillment_order WHERE order_id = 1"
    )
    printed = orderlane("order", "show", "1").stdout
    assert "    orderlane order release 1 --code refund_requested --despite-refund --reason R\n" in printed
    shown = plain(printed)
    assert "end it, wherever its goods are: orderlane order stop 1 --reason R" in shown
    assert "ship it all the same: orderlane order release 1 --code refund_requested" in shown
    for name in ("order", "hold"):
        done = orderlane(name, "release", "1", "--code", "refund_requested", *WHY)
        assert (done.exit_code, "`order stop 1 --reason R` ends the order" in plain(done.stderr)) == (5, True)
    done = orderlane("hold", "release", "1", "--code", "refund_requested", "--despite-refund", *WHY)
    assert (done.exit_code, "refund_requested released" in done.stdout) == (0, True)


def test_an_order_says_where_its_stop_stands(orderlane, rows, labelled) -> None:
    orderlane("order", "stop", "1", *WHY)
    rows("UPDATE stop SET rung = 'void_by_hand'")
    for command in ("show", "explain"):
        shown = plain(orderlane("order", command, "1").stdout)
        assert "the courier has refused to cancel the waybill" in shown
        assert "moved on by logistics" in shown
        assert "no return the hand-over to the courier" in shown
        assert "orderlane package void SF1 --at-courier --reason R" in shown
        assert "orderlane order stop 1 --withdraw --reason R" in shown
    rows("UPDATE stop SET rung = 'of a later version'")
    assert orderlane("order", "explain", "1").exit_code == 0
    rows("UPDATE stop SET status = 'too_late', ended_at = now()")
    shown = plain(orderlane("order", "explain", "1").stdout)
    assert "too late: the goods travel all the same" in shown
    assert "--withdraw" not in shown


def test_explain_takes_what_show_takes(orderlane) -> None:
    assert orderlane("order", "explain", "404").exit_code == 1
    shown = orderlane("order", "explain", "main/1001").stdout
    assert "taobao/main/1001" in shown
    assert "Timeline" not in shown


def test_a_waybill_is_cancelled_by_its_number(orderlane, rows, labelled) -> None:
    orderlane("order", "stop", "1", *WHY)
    assert "would be asked to cancel SF1" in orderlane("package", "void", "ref-1", "--dry-run").stdout
    done = orderlane("package", "void", "SF1", *WHY)
    assert (done.exit_code, "sf is asked to cancel SF1" in done.stdout) == (0, True)
    assert rows("SELECT account FROM work WHERE step = 'void'") == [("sf/main",)]
    done = orderlane("package", "void", "SF1", "--at-courier", *WHY)
    assert (done.exit_code, rows("SELECT status FROM shipment")) == (0, [("voided",)])
    assert orderlane("package", "void", "SF1", *WHY).exit_code == 5
    assert orderlane("package", "void", "nobody", *WHY).exit_code == 1
    assert orderlane("package", "void", "SF1", "nobody", *WHY).exit_code == 0


def test_an_address_is_corrected_from_lines(orderlane, rows) -> None:
    rows("UPDATE fulfillment_order SET state = 'paid' WHERE order_id = 1")
    lines = "province=浙江省\ncity=杭州市\n\ndetail=文一路 9 号\n"
    shown = orderlane("order", "correct-address", "1", "--dry-run", stdin=lines)
    assert (shown.exit_code, "city, detail and province" in shown.stdout) == (0, True)
    done = orderlane("order", "correct-address", "1", *WHY, stdin=lines)
    assert (done.exit_code, rows("SELECT detail FROM receiver WHERE order_id = 1")) == (0, [("文一路 9 号",)])
    assert "文一路" not in done.output
    done = orderlane("order", "correct-address", "1", *WHY, stdin=lines)
    assert (done.exit_code, "address_unchanged" in done.stderr) == (5, True)


@pytest.mark.parametrize("body", ["", "detail\n", "city=a\ncity=b\n", "street=x\n"])
def test_lines_that_name_no_field_are_a_usage_error(orderlane, body) -> None:
    assert orderlane("order", "correct-address", "1", *WHY, stdin=body).exit_code == Exit.USAGE
