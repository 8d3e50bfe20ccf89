"""Cases at the command line: listed, shown, given to somebody, closed."""

import json
from pathlib import Path

import pytest

WHY = ("--reason", "asked the courier")
PLANT = """
WITH p AS (
    INSERT INTO package (fulfillment_order_id, number, courier, account, location, handed_over_at)
    SELECT id, 1, 'sf', 'sf/main', 'east', now() FROM fulfillment_order WHERE order_id = 2 RETURNING id
), s AS (
    INSERT INTO shipment (package_id, generation, courier, reference, status, waybill, booked_at)
    SELECT id, 1, 'sf', 'R-2', 'booked', 'SF0002', now() FROM p
)
INSERT INTO order_case (shop, case_id, kind, order_id, package_id, owner, due_at, opened_at, facts)
SELECT 'taobao/main', 'lost-R-2', 'lost', 2, id, 'logistics', now() + interval '2 hours', now(),
       '{"code": "6"}'::jsonb FROM p
UNION ALL
SELECT 'taobao/side', 'refused-' || n, 'refused_by_buyer', n, NULL, 'service', now() + make_interval(hours => n),
       now() - interval '3 days', '{}' FROM generate_series(4, 6) AS n
UNION ALL
SELECT 'taobao/main', 'late-1', 'not_moving', 1, NULL, 'logistics', now() - interval '1 hour', now(), '{}'
"""


@pytest.fixture(autouse=True)
def _five_cases(monkeypatch, database, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    with database.connection() as connection:
        connection.execute(Path(__file__).with_name("six_orders.sql").read_bytes())
        connection.execute(PLANT)


def rows(database, query):
    with database.connection() as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def as_json(orderlane):
    def run(*arguments):
        result = orderlane(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout.splitlines()[-1])

    return run


@pytest.fixture
def number(database):
    def number(case_id):
        return dict(rows(database, "SELECT case_id, id FROM order_case"))[case_id]

    return number


def listed(found):
    return [one["case_id"] for one in found["cases"]]


def test_the_first_due_comes_first_and_a_page_goes_on_after_another(as_json, orderlane) -> None:
    code, page = as_json("case", "list", "--limit", "2")
    assert (code, listed(page)) == (0, ["late-1", "lost-R-2"])
    _, rest = as_json("case", "list", "--after", page["more_after"])
    assert (listed(rest), rest["more_after"]) == (["refused-4", "refused-5", "refused-6"], None)
    one = page["cases"][1]
    assert (one["order_name"], one["states"], one["waybill"]) == ("taobao/main/1002", ["approved"], "SF0002")
    assert "more with --after" in orderlane("case", "list", "--limit", "2").stdout


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        (["--kind", "lost"], ["lost-R-2"]),
        (["--owner", "service", "--due-before", "330m"], ["refused-4", "refused-5"]),
        (["--shop", "main"], ["late-1", "lost-R-2"]),
        (["--shop", "taobao/side", "--older-than", "2d"], ["refused-4", "refused-5", "refused-6"]),
        (["--older-than", "4d"], []),
        (["--state", "closed"], []),
    ],
)
def test_a_list_is_narrowed(as_json, options, passes) -> None:
    assert listed(as_json("case", "list", *options)[1]) == passes


def test_a_case_is_shown_with_its_order_and_package(orderlane, as_json, number) -> None:
    _, one = as_json("case", "show", number("lost-R-2"))
    assert (one["package_number"], one["location"], one["courier"], one["waybill"]) == (1, "east", "sf", "SF0002")
    shown = orderlane("case", "show", number("lost-R-2")).stdout
    assert "the courier says that the parcel is lost or destroyed" in shown
    assert "taobao/main/1002" in shown
    assert orderlane("case", "show", "999").exit_code == 2


def test_a_case_is_given_to_somebody_and_closed_once(orderlane, as_json, database, number) -> None:
    lost = number("lost-R-2")
    assert "given from logistics to li" in orderlane("case", "assign", lost, "--to", "li", "--due", "4h", *WHY).stdout
    assert listed(as_json("case", "list", "--owner", "li")[1]) == ["lost-R-2"]
    assert "is closed" in orderlane("case", "close", lost, *WHY).stdout
    again = orderlane("case", "close", lost, *WHY)
    assert (again.exit_code, "closed it at" in again.stderr) == (5, True)
    assert orderlane("case", "assign", lost, "--to", "li", *WHY).exit_code == 5
    assert orderlane("case", "close", "999", *WHY).exit_code == 2
    _, closed = as_json("case", "list", "--state", "closed")
    assert [(one["case_id"], one["reason"]) for one in closed["cases"]] == [("lost-R-2", "asked the courier")]
    acts = rows(database, "SELECT verb, object, before, after, facts, reason FROM audit ORDER BY id")
    assert [(verb, object_, reason) for verb, object_, *_, reason in acts] == [
        ("case_assigned", f"case/{lost}", "asked the courier"),
        ("case_closed", f"case/{lost}", "asked the courier"),
    ]
    assert (acts[0][2]["owner"], acts[0][3]["owner"], acts[0][4]["order_id"]) == ("logistics", "li", 2)


def test_the_order_shows_its_cases(orderlane, as_json, number) -> None:
    orderlane("case", "close", number("late-1"), *WHY)
    _, one = as_json("order", "show", "1")
    assert [(case["kind"], case["reason"]) for case in one["cases"]] == [("not_moving", "asked the courier")]
    assert [event["kind"] for event in one["timeline"]][-2:] == ["case_opened", "case_closed"]
    shown = " ".join(orderlane("order", "show", "2").stdout.split())
    assert "Cases" in shown
    assert "lost" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["case", "close", "--reason", "x"],
        ["case", "close", "1", "--kind", "lost", "--reason", "x"],
        ["case", "close", "x", "--reason", "x"],
        ["case", "close", "1"],
        ["case", "assign", "1", "--to", " ", "--reason", "x"],
        ["case", "list", "--owner", ""],
        ["case", "list", "--kind", "none"],
    ],
)
def test_what_says_nothing_clear_is_a_usage_error(orderlane, arguments) -> None:
    result = orderlane(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr


def test_many_are_given_and_closed_together(as_json, database, number, tmp_path) -> None:
    code, act = as_json("case", "assign", "--owner", "service", "--to", "li", *WHY, "--expect", "3", "--here")
    assert (code, act["results"]) == (0, {"assigned": 3})
    file = tmp_path / "cases.txt"
    file.write_text(f"{number('refused-4')}\n{number('refused-5')}\n999\nx\n")
    code, act = as_json("case", "close", "--from", file, *WHY, "--expect", "2", "--here")
    assert (code, act["results"]) == (6, {"closed": 2, "case_unknown": 1, "id_malformed": 1})
    assert rows(database, "SELECT count(*) FROM order_case WHERE closed_by IS NOT NULL") == [(2,)]
