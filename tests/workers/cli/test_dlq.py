import json
from datetime import UTC, datetime, timedelta

import pytest

from infra.sweeper.bulk_replay import LetterDuties
from ops.faces.terminal.words import cause_in_words

REASON = ("--reason", "courier is back")
PLANT = """
INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes, owner, due_at,
                         opened_at)
SELECT 'notify', g, 'p1', %(account)s, %(code)s, %(cause)s, %(causes)s, 8, 0, 'engineering', now(),
       %(opened_at)s
FROM generate_series(%(first)s::bigint, %(first)s + %(count)s - 1) AS g
"""
# A fingerprint for each code.
CAUSES = {
    "timeout": "7f3a01b2c3d4e5f6",
    "gone": "7f3b000000000001",
    "old": "0100000000000002",
    "other": "0200000000000003",
}
TALLY = "INSERT INTO letter_tally VALUES (%s, 'CNY', %s, 0, 0)"
CAUSE = [{"code": "timeout", "message": "no answer", "at": "adapters/http_client.py:12", "attempt": 1, "behind": []}]


class NoBells:
    def ring(self, keys) -> None:
        pass


@pytest.fixture(autouse=True)
def _configured(monkeypatch, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


@pytest.fixture
def plant(database):
    """Open letters of one cause; their ids."""

    def plant(count, code="timeout", first=1, days_ago=0, account="webhook/buyers"):
        named = {
            "count": count,
            "first": first,
            "code": code,
            "cause": CAUSES[code],
            "causes": json.dumps(CAUSE),
            "account": account,
            "opened_at": datetime.now(UTC) - timedelta(days=days_ago),
        }
        with database.connection() as connection:
            connection.execute(PLANT, named)
            connection.execute(TALLY, [CAUSES[code], count])
            rows = connection.execute("SELECT id FROM dead_letter WHERE code = %s ORDER BY id", [code]).fetchall()
        return [row[0] for row in rows]

    return plant


@pytest.fixture
def due(database):
    def due():
        with database.connection() as connection:
            return sorted(row[0] for row in connection.execute("SELECT subject_id FROM work"))

    return due


def test_without_letters_it_says_so(orderlane):
    result = orderlane("dlq", "causes")
    assert (result.exit_code, result.stdout) == (0, "no open dead letters\n")
    assert orderlane("dlq", "list").stdout == "no open dead letter matches\n"


def test_causes_are_a_line_each(orderlane, plant):
    plant(5, "timeout")
    plant(2, "gone", first=100)
    result = orderlane("dlq", "causes")
    assert result.exit_code == 0
    assert result.stdout.startswith("7 open dead letters of 2 causes\n")
    view = json.loads(orderlane("dlq", "causes", "--json").stdout)
    assert [(one["code"], one["letters"], one["adapter"]) for one in view["causes"]] == [
        ("timeout", 5, "webhook"),
        ("gone", 2, "webhook"),
    ]


def test_a_list_is_filtered_and_goes_on_where_it_ended(orderlane, plant):
    ids = plant(5)
    plant(3, "old", first=100, days_ago=3)
    first = json.loads(orderlane("dlq", "list", "--code", "timeout", "--limit", 3, "--json").stdout)
    assert ([one["id"] for one in first["letters"]], first["more_after"]) == (ids[:3], ids[2])
    rest = json.loads(orderlane("dlq", "list", "--code", "timeout", "--after", ids[2], "--json").stdout)
    assert ([one["id"] for one in rest["letters"]], rest["more_after"]) == (ids[3:], None)
    for asked in (["--since", "24h"], ["--cause", CAUSES["timeout"]], ["--step", "notify", "--since", "2d"]):
        found = json.loads(orderlane("dlq", "list", *asked, "--json").stdout)["letters"]
        assert [one["id"] for one in found] == ids
    assert f"more: --after {ids[1]}" in orderlane("dlq", "list", "--limit", 2).stdout
    assert orderlane("dlq", "list", "--account", "none/here").stdout == "no open dead letter matches\n"


def test_a_cause_is_named_by_how_it_begins(orderlane, plant):
    plant(2, "timeout")
    plant(1, "gone", first=100)
    assert len(json.loads(orderlane("dlq", "list", "--cause", "7f3a", "--json").stdout)["letters"]) == 2
    assert len(json.loads(orderlane("dlq", "list", "--cause", "7f3", "--json").stdout)["letters"]) == 3
    bulk = json.loads(orderlane("dlq", "replay", "--cause", "7f3b", *REASON, "--json").stdout)
    assert bulk["members"] == {"waiting": 1}
    assert bulk["filter"] == {"cause": CAUSES["gone"]}, "the whole fingerprint is kept with it"


@pytest.mark.parametrize("how", [REASON, ("--dry-run",)])
def test_a_beginning_that_several_causes_share_replays_none_of_them(orderlane, plant, how):
    plant(2, "timeout")
    plant(1, "gone", first=100)
    refused = orderlane("dlq", "replay", "--cause", "7f3", *how)
    assert refused.exit_code == 5
    assert f"cause_ambiguous: 7f3 means {CAUSES['timeout']}, {CAUSES['gone']}" in " ".join(refused.stderr.split())
    assert json.loads(orderlane("bulk", "show", "--json").stdout)["bulks"] == []


@pytest.mark.parametrize("verb", [("list",), ("replay", *REASON), ("replay", "--dry-run")])
def test_what_can_begin_no_fingerprint_is_wrong_use_not_every_letter(orderlane, plant, verb):
    plant(1)
    for cause in ("", " ", "7f3%", "7F3A", "timeout"):
        wrong = orderlane("dlq", *verb, "--cause", cause)
        assert (wrong.exit_code, "cause_malformed" in wrong.stderr) == (2, True), cause
    assert json.loads(orderlane("bulk", "show", "--json").stdout)["bulks"] == []


@pytest.mark.parametrize("option", ["--account", "--code"])
def test_an_empty_option_is_wrong_use_not_every_letter_of_inner_steps(orderlane, plant, option):
    plant(1)
    wrong = orderlane("dlq", "replay", option, "", *REASON)
    assert (wrong.exit_code, "filter_malformed" in wrong.stderr) == (2, True)
    assert json.loads(orderlane("bulk", "show", "--json").stdout)["bulks"] == []


def test_a_letter_that_replays_did_not_help_needs_a_word(orderlane, plant, database):
    (letter_id,) = plant(1)
    with database.connection() as connection:
        connection.execute("UPDATE dead_letter SET replays = 3")
    refused = orderlane("dlq", "replay", letter_id, *REASON)
    assert (refused.exit_code, "--again" in refused.stdout) == (5, True)
    in_bulk = orderlane("dlq", "replay", "--step", "notify", *REASON)
    assert (in_bulk.exit_code, "none_may_go" in in_bulk.stderr) == (5, True)
    assert "--again" in orderlane("dlq", "replay", "--step", "notify", "--dry-run").stdout
    assert orderlane("dlq", "replay", letter_id, "--again", *REASON).exit_code == 0


def test_only_the_biggest_causes_are_listed(orderlane, plant):
    plant(5, "timeout")
    plant(2, "gone", first=100)
    view = json.loads(orderlane("dlq", "causes", "--limit", 1, "--json").stdout)
    assert ([one["code"] for one in view["causes"]], view["more"]) == (["timeout"], 1)


def test_a_letter_shows_every_try(orderlane, plant):
    (letter_id,) = plant(1)
    result = orderlane("dlq", "show", letter_id)
    assert result.exit_code == 0
    for line in cause_in_words(CAUSE[0]):
        assert line in result.stdout
    assert "notify runs again" in result.stdout
    view = json.loads(orderlane("dlq", "show", letter_id, "--json").stdout)
    assert (view["letter"]["id"], view["replay"]["answer"]) == (letter_id, "replayed")
    missing = orderlane("dlq", "show", 404)
    assert (missing.exit_code, missing.stderr) == (1, "orderlane: letter_unknown: there is no dead letter 404\n")


def test_a_dry_run_asks_no_reason_and_changes_nothing(orderlane, plant, due):
    (letter_id,) = plant(1)
    result = orderlane("dlq", "replay", letter_id, "--dry-run")
    assert (result.exit_code, due()) == (0, [])
    assert "notify runs again" in result.stdout
    by_filter = json.loads(orderlane("dlq", "replay", "--step", "notify", "--dry-run", "--json").stdout)
    assert (by_filter["members"], len(by_filter["letters"])) == (1, 1)


def test_letters_are_replayed_once(orderlane, plant, due):
    first, second = plant(2)
    assert orderlane("dlq", "replay", first, *REASON).exit_code == 0
    assert due() == [1]
    again = orderlane("dlq", "replay", first, *REASON)
    assert again.exit_code == 5
    assert "replayed by" in again.stdout
    both = orderlane("dlq", "replay", first, second, *REASON, "--json")
    assert both.exit_code == 6
    assert [one["answer"] for one in json.loads(both.stdout)["letters"]] == ["refused", "replayed"]
    assert due() == [1, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", *REASON],
        ["replay", 1, "--step", "notify", *REASON],
        ["replay", 1],
        ["replay", 1, "--reason", " "],
        ["replay", "--step", "notify", "--rate", "0", *REASON],
        ["replay", "--step", "notify", "--rate", "fast", *REASON],
        ["list", "--since", "yesterday"],
        ["discard", 1],
    ],
)
def test_wrong_use_exits_with_2(orderlane, arguments):
    assert orderlane("dlq", *arguments).exit_code == 2


def test_a_filter_becomes_a_bulk_that_the_sweeper_works_off(orderlane, plant, due, database):
    plant(5)
    plant(1, "other", first=100)
    started = orderlane("dlq", "replay", "--cause", CAUSES["timeout"], "--rate", "50/s", *REASON, "--json")
    bulk = json.loads(started.stdout)
    assert (started.exit_code, bulk["members"], bulk["per_second"]) == (0, {"waiting": 5}, 50.0)
    duties = LetterDuties(database, NoBells())
    for _ in range(10):
        duties.run()
        with database.connection() as connection:
            connection.execute("DELETE FROM work")
            connection.execute("UPDATE bulk SET next_at = now() - interval '1 second'")
    shown = orderlane("bulk", "show", bulk["id"], "--members", "done")
    assert shown.exit_code == 0
    assert "is done: 5 done" in shown.stdout
    assert f"bulk {bulk['id']}" not in orderlane("bulk", "show").stdout
    assert "5 done" in orderlane("bulk", "show").stdout
    assert json.loads(orderlane("dlq", "causes", "--json").stdout)["causes"][0]["code"] == "other"


def test_nothing_to_replay_is_refused(orderlane):
    result = orderlane("dlq", "replay", "--step", "notify", *REASON)
    assert result.exit_code == 5
    assert "nothing_matches" in result.stderr


def test_a_bulk_is_paused_resumed_and_cancelled(orderlane, plant):
    plant(3)
    bulk_id = json.loads(orderlane("dlq", "replay", "--code", "timeout", *REASON, "--json").stdout)["id"]
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        result = orderlane("bulk", verb, bulk_id, *REASON)
        assert result.exit_code == 0
        assert f"bulk {bulk_id} is {state}" in result.stdout
    refused = orderlane("bulk", "resume", bulk_id, *REASON)
    assert refused.exit_code == 5
    assert f"bulk {bulk_id} is cancelled already" in refused.stderr
    assert orderlane("bulk", "show", bulk_id).exit_code == 6
    assert orderlane("bulk", "show", 404).exit_code == 1
    assert len(json.loads(orderlane("bulk", "show", "--json").stdout)["bulks"]) == 1


def test_letters_are_discarded_and_reopened(orderlane, plant):
    (letter_id,) = plant(1)
    assert orderlane("dlq", "discard", letter_id, "--reason", "test shop").stdout == f"letter {letter_id} discarded\n"
    twice = orderlane("dlq", "discard", letter_id, "--reason", "test shop")
    assert twice.exit_code == 5
    assert "discarded by" in twice.stderr
    assert "test shop" in orderlane("dlq", "show", letter_id).stdout
    assert orderlane("dlq", "reopen", letter_id, "--reason", "real").exit_code == 0
    assert orderlane("dlq", "reopen", letter_id, "--reason", "real").exit_code == 5
    assert "1 open dead letter of 1 cause" in orderlane("dlq", "causes").stdout
