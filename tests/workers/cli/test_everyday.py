"""Everyday verbs at the command line: lists, search, holds, and one verb on many."""

import json
from pathlib import Path

import pytest

from infra.engine.author import Author
from ops.verbs.bulk_acts import BulkActs
from ops.verbs.hold_orders import hold

_FILL = Path(__file__).with_name("six_orders.sql")
WHY = ("--reason", "the warehouse is being counted")


@pytest.fixture(autouse=True)
def _six_orders(monkeypatch, database, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    with database.connection() as connection:
        connection.execute(_FILL.read_bytes())


def rows(database, query):
    with database.connection() as connection:
        return connection.execute(query).fetchall()


def held(database):
    return [
        row[0] for row in rows(database, "SELECT order_id FROM fulfillment_order WHERE state = 'on_hold' ORDER BY 1")
    ]


@pytest.fixture
def as_json(orderlane):
    def run(*arguments):
        result = orderlane(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout.splitlines()[-1])

    return run


def listed(found):
    return [one["id"] for one in found["orders"]]


def test_orders_are_listed_page_by_page(orderlane, as_json) -> None:
    code, page = as_json("order", "list", "--limit", "4")
    assert (code, listed(page), page["more_after"], page["is_cut"]) == (0, [6, 5, 4, 3], 3, False)
    one = page["orders"][0]
    assert (one["name"], one["state"], one["lane"], one["worth"]) == (
        "taobao/side/1006",
        "approved",
        "bulk",
        {"minor": 600, "currency": "CNY"},
    )
    assert one["waits"]["kind"] == "unknown"
    _, rest = as_json("order", "list", "--limit", "4", "--after", "3")
    assert (listed(rest), rest["more_after"]) == ([2, 1], None)
    shown = orderlane("order", "list", "--limit", "2").stdout
    assert "approved" in shown
    assert "more with --after 5" in shown


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        (["--shop", "main"], [3, 2, 1]),
        (["--shop", "taobao/side", "--sku", "CUP"], [6, 4]),
        (["--least", "4", "--most", "5.00CNY"], [5, 4]),
        (["--most", "5USD"], []),
        (["--sort", "oldest", "--since", "1h", "--shop", "main"], [1, 2, 3]),
        (["--older-than", "1h"], []),
        (["--due-before", "2d", "--state", "approved", "--lane", "bulk", "--shop", "side"], [6, 5, 4]),
        (["--state", "on_hold"], []),
        (["--state", "on_hold", "--state", "approved", "--shop", "main"], [3, 2, 1]),
    ],
)
def test_a_list_is_narrowed(as_json, options, passes) -> None:
    assert listed(as_json("order", "list", *options)[1]) == passes


@pytest.mark.parametrize(
    "arguments",
    [
        ["order", "list", "--least", "x"],
        ["order", "list", "--least", "1CNY", "--most", "1USD"],
        ["order", "list", "--shop", ""],
        ["order", "find"],
        ["order", "hold", "--reason", "x"],
        ["order", "hold", "1", "--shop", "main", "--reason", "x"],
        ["order", "hold", "1", "--column", "id", "--reason", "x"],
        ["order", "hold", "1", "--here", "--reason", "x"],
        ["order", "hold", "1", "--due", "2020-01-01", "--reason", "x"],
        ["hold", "assign", "x", "--to", "li", "--reason", "x"],
        ["hold", "assign", "1", "--to", " ", "--reason", "x"],
        ["hold", "snooze", "1", "--reason", "x"],
        ["hold", "assign", "--awake", "--to", "li", "--reason", "x"],
        ["writeback", "retry", "--expect", "1", "--reason", "x"],
    ],
)
def test_what_says_nothing_clear_is_a_usage_error(orderlane, arguments) -> None:
    result = orderlane(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr


@pytest.mark.parametrize(
    ("text", "found"), [("1004", [4]), ("side/1004", [4]), ("taobao/side/1004", [4]), ("2", [2]), ("TEE", [5, 3, 1])]
)
def test_an_order_is_found_by_anything_in_hand(as_json, text, found) -> None:
    code, page = as_json("order", "find", text)
    assert (code, listed(page)) == (0, found)


def test_what_is_not_there_is_not_found(as_json, orderlane) -> None:
    code, page = as_json("order", "find", "no such")
    assert (code, page["orders"]) == (1, [])
    assert orderlane("order", "find", "no such").stdout == "no order passes\n"


def test_by_the_end_of_a_phone_number_which_is_kept_nowhere(orderlane, database) -> None:
    found = orderlane("order", "find", "--phone", "--json", stdin="7003\n")
    assert (found.exit_code, listed(json.loads(found.stdout))) == (0, [3])
    assert "林" not in found.stdout
    assert "138" not in found.stdout
    [(verb, object_, facts)] = rows(database, "SELECT verb, object, facts FROM audit")
    assert (verb, object_, facts) == ("orders_searched", "phone", {"found": 1})
    short = orderlane("order", "find", "--phone", stdin="003\n")
    assert (short.exit_code, "003" in short.stderr) == (2, False)


def test_one_order_is_held_and_released(orderlane, as_json, database) -> None:
    done = orderlane("order", "hold", "main/1002", "--to", "li", "--due", "4h", *WHY)
    assert done.exit_code == 0
    assert "order 2 is held by manual, was approved; li must act by" in done.stdout
    assert orderlane("order", "hold", "main/1002", *WHY).exit_code == 5
    _, page = as_json("order", "list", "--owner", "li")
    assert page["orders"][0]["waits"] == {
        "kind": "person",
        "owner": "li",
        "codes": ["manual"],
        "letter_id": None,
        "step": None,
        "due_at": None,
        "gate": None,
    }
    assert "li: manual" in orderlane("order", "list", "--state", "on_hold").stdout.replace("\n", " ")
    assert "the warehouse is being counted" in " ".join(orderlane("order", "show", "2").stdout.split())
    assert orderlane("hold", "release", "2", "--code", "manual", *WHY).exit_code == 0
    assert held(database) == []


def test_holds_are_listed_given_and_snoozed(orderlane, as_json, database) -> None:
    for order_id in (1, 2, 3):
        hold(database, order_id, "manual", Author("wang", "count"))
    _, page = as_json("hold", "list", "--limit", "2")
    assert ([one["order_id"] for one in page["holds"]], page["more_after"]) == ([1, 2], 2)
    _, rest = as_json("hold", "list", "--after", "2")
    assert [one["id"] for one in rest["holds"]] == [3]
    assert "given from service to li" in orderlane("hold", "assign", "1", "--to", "li", *WHY).stdout
    assert "snoozed until" in orderlane("hold", "snooze", "1", "--until", "3d", *WHY).stdout
    assert [one["id"] for one in as_json("hold", "list", "--snoozed")[1]["holds"]] == [1]
    assert [one["id"] for one in as_json("hold", "list", "--awake")[1]["holds"]] == [2, 3]
    assert "wang: count" in orderlane("hold", "list", "--owner", "li").stdout
    assert "no longer snoozed" in orderlane("hold", "snooze", "1", "--wake", *WHY).stdout
    assert orderlane("hold", "list", "--code", "seller_flag").stdout == "no open hold passes\n"
    orderlane("order", "release", "1", "--code", "manual", *WHY)
    assert orderlane("hold", "assign", "1", "--to", "li", *WHY).exit_code == 5
    assert orderlane("hold", "assign", "99", "--to", "li", *WHY).exit_code == 2


def test_many_are_drafted_confirmed_and_worked_off_by_the_sweeper(orderlane, as_json, database) -> None:
    code, act = as_json("order", "hold", "--shop", "main", *WHY)
    assert (code, act["state"], act["foreseen"], act["chosen"]) == (0, "draft", {"held": 3}, {"shop": "main"})
    assert held(database) == []
    assert orderlane("bulk", "confirm", act["id"], "--token", "00000000").exit_code == 5
    confirmed = orderlane("bulk", "confirm", act["id"], "--token", act["token"])
    assert (confirmed.exit_code, held(database)) == (0, [])
    BulkActs(database).run()
    assert held(database) == [1, 2, 3]
    shown = orderlane("bulk", "show", act["id"], "--members", "done")
    assert shown.exit_code == 0
    assert "3 held" in shown.stdout
    assert orderlane("bulk", "cancel", act["id"], *WHY).exit_code == 5


def test_a_file_of_ids_is_done_at_once_where_the_count_was_foretold(orderlane, as_json, database, tmp_path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("shop,order_id,note\nmain,1001,a\nmain,nonsense,b\nside,taobao/side/1005,c\n\nside,1005,d\n")
    arguments = ("order", "hold", "--from", file, "--column", "order_id", *WHY)
    assert orderlane(*arguments, "--expect", "3").exit_code == 5
    assert held(database) == []
    code, act = as_json(*arguments, "--expect", "2", "--here")
    assert (code, act["state"], act["results"]) == (6, "done", {"held": 2, "order_unknown": 1})
    assert held(database) == [1, 5]
    _, shown = as_json("bulk", "show", act["id"], "--members", "refused")
    assert [(one["position"], one["code"]) for one in shown["items"]] == [(3, "order_unknown")]
    assert "nonsense" not in json.dumps(shown)
    assert (
        orderlane(
            "order", "release", "--code", "manual", "--from", "-", *WHY, "--expect", "2", "--here", stdin="1\n5\n"
        ).exit_code
        == 0
    )
    assert held(database) == []


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"a\0b", b"id\n1\n", b'order_id\n"1\n'])
def test_a_file_that_is_no_list_is_a_usage_error(orderlane, tmp_path, body) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(body)
    result = orderlane("order", "hold", "--from", file, "--column", "order_id", *WHY)
    assert (result.exit_code, "file_unreadable" in result.stderr) == (2, True)


def test_several_holds_are_given_and_snoozed_together(as_json, database) -> None:
    for order_id in (1, 2, 3):
        hold(database, order_id, "manual", Author("wang", "count"))
    code, act = as_json("hold", "assign", "1", "2", "x", "--to", "li", *WHY, "--expect", "2", "--here")
    assert (code, act["results"]) == (6, {"assigned": 2, "id_malformed": 1})
    code, act = as_json("hold", "snooze", "--owner", "li", "--until", "2d", *WHY, "--expect", "2", "--here")
    assert (code, act["results"]) == (0, {"snoozed": 2})
    assert rows(database, "SELECT id FROM hold WHERE owner = 'li' AND snoozed_until > now() ORDER BY id") == [
        (1,),
        (2,),
    ]


def test_many_are_expedited(as_json, database) -> None:
    code, act = as_json("order", "expedite", "--sku", "CUP", "--in-lane", "bulk", *WHY, "--expect", "3", "--here")
    assert (code, act["results"]) == (0, {"expedited": 3})
    assert rows(database, "SELECT order_id FROM fulfillment_order WHERE lane = 'p0' ORDER BY 1") == [(2,), (4,), (6,)]


_LETTERS = """
INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code, fingerprint, causes,
    attempts, crashes, owner, due_at)
SELECT 'route', id, 'bulk', '', order_id, id, 'bug', 'abc', '[]', 8, 0, 'engineering', now()
FROM fulfillment_order ORDER BY id
"""


def test_letters_are_discarded_by_cause_or_file_and_replayed_by_file(orderlane, as_json, database, tmp_path) -> None:
    with database.connection() as connection:
        connection.execute(_LETTERS)
    file = tmp_path / "letters.txt"
    file.write_text("1\n2\n")
    code, act = as_json("dlq", "discard", "--from", file, *WHY, "--expect", "2", "--here")
    assert (code, act["results"]) == (0, {"discarded": 2})
    assert orderlane("dlq", "replay", "--from", file, *WHY).exit_code == 5
    file.write_text("3\n4\n")
    assert orderlane("dlq", "replay", "--from", file, "--expect", "3", *WHY).exit_code == 5
    code, replay = as_json("dlq", "replay", "--from", file, "--expect", "2", *WHY)
    assert (code, replay["members"], replay["state"]) == (0, {"waiting": 2}, "canary")
    code, act = as_json("dlq", "discard", "--cause", "abc", *WHY)
    assert (code, act["foreseen"]) == (0, {"discarded": 4})
    file.write_text("3\nx\n")
    assert orderlane("dlq", "replay", "--from", file, *WHY).exit_code == 2
    shown = orderlane("bulk", "show").stdout
    assert "letter.discard" in shown
    assert "canary" in shown
    assert orderlane("bulk", "pause", replay["id"], *WHY).exit_code == 0


def test_a_draft_that_is_not_wanted_is_cancelled_and_changes_nothing(orderlane, as_json, database) -> None:
    _, act = as_json("order", "hold", "--shop", "main", *WHY)
    assert orderlane("bulk", "cancel", act["id"], *WHY).exit_code == 0
    assert orderlane("bulk", "confirm", act["id"], "--token", act["token"]).exit_code == 5
    assert held(database) == []
    assert orderlane("bulk", "show", act["id"]).exit_code == 5
