import json

import pytest

from workers.cli import entry as module

BAD = """INSERT INTO unreadable_entry (source, account, position, code, field, owner, due_at)
         VALUES ('scan', 'warehouse/east', 3, 'field_invalid', 'events[3].at', 'warehouse', now()) RETURNING id"""


@pytest.fixture(autouse=True)
def _configured(monkeypatch, tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text("")
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    monkeypatch.setattr(module, "configure", lambda *_, **__: None)


@pytest.fixture
def number(database) -> int:
    with database.connection() as connection:
        return connection.execute(BAD).fetchone()[0]


def test_each_record_is_named_and_closed_with_a_reason(orderlane, number, database) -> None:
    shown = orderlane("entry", "list")
    assert shown.exit_code == 0, shown.output
    assert "warehouse/east events[3].at: field_invalid, of nothing known  (owner warehouse)" in shown.stdout
    (one,) = json.loads(orderlane("entry", "list", "--json").stdout)["unreadable"]
    assert (one["id"], one["position"], one["order_name"]) == (number, 3, None)

    assert orderlane("entry", "close", number).exit_code == 2
    closed = orderlane("entry", "close", number, "--reason", "asked them")
    assert (closed.exit_code, closed.stdout) == (0, f"record {number} closed\n")
    assert orderlane("entry", "list").stdout == "every scan and stock row could be read\n"
    again = orderlane("entry", "close", number, "--reason", "asked them")
    assert (again.exit_code, again.stderr) == (
        5,
        f"orderlane: entry_not_open: no open record has the number {number}\n",
    )
    with database.connection() as connection:
        assert connection.execute("SELECT verb, object, reason FROM audit").fetchall() == [
            ("entry_closed", f"entry/{number}", "asked them")
        ]


def test_records_beyond_those_listed_are_said(orderlane, database) -> None:
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO unreadable_entry (source, account, position, code, field, owner, due_at)
               SELECT 'scan', 'warehouse/east', n, 'field_invalid', 'at', 'warehouse', now()
               FROM generate_series(1, 501) AS n"""
        )
    assert orderlane("entry", "list").stdout.endswith("501 are open; the others are listed once these are closed\n")
    listed = json.loads(orderlane("entry", "list", "--json").stdout)
    assert (len(listed["unreadable"]), listed["open"]) == (500, 501)


@pytest.mark.parametrize("text", ["0", "-1", "x", "9" * 30, "1.5"])
def test_what_is_no_number_is_a_matter_of_usage(orderlane, text) -> None:
    assert orderlane("entry", "close", "--reason", "r", "--", text).exit_code == 2
