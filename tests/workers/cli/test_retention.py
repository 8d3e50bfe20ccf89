import msgspec
import pytest


@pytest.fixture
def configured(database_url, redis_url, monkeypatch):
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


PAGE = "INSERT INTO warehouse_page (location, after, body, received_at) VALUES ('e', '', 'x', %s)"


def test_the_policy_and_the_sizes_are_shown(orderlane, configured):
    done = orderlane("retention", "show")
    assert done.exit_code == 0, done.output
    assert "90 days" in done.output
    assert "forgotten orders: 0" in done.output
    shown = msgspec.json.decode(orderlane("retention", "show", "--json").output)
    assert {one["kind"]: one["days"] for one in shown["policies"]}["events"] == 400
    assert {"table", "bytes", "rows", "oldest"} == shown["sizes"][0].keys()


def test_a_purge_that_is_behind_is_seen(orderlane, configured, database):
    with database.connection() as connection:
        connection.execute(PAGE, ["2020-01-01"])
    shown = orderlane("retention", "show")
    assert shown.exit_code == 1
    assert "days behind" in shown.output


def test_purge_by_hand_after_a_dry_run(orderlane, configured, database):
    with database.connection() as connection:
        connection.execute(PAGE, ["2020-01-01"])
    preview = orderlane("retention", "purge", "--dry-run")
    assert (preview.exit_code, preview.output) == (0, "would purge: pages 1\n")
    done = orderlane("retention", "purge", "--json")
    assert msgspec.json.decode(done.output.splitlines()[-1]) == {"dry_run": False, "rows": {"pages": 1}}
    assert orderlane("retention", "purge").output == "purged: nothing\n"
    assert orderlane("retention", "show").exit_code == 0


def test_an_unsafe_policy_is_refused(orderlane, configured, tmp_path):
    (tmp_path / "orderlane.toml").write_text("[retention]\npersons_days = 1\n")
    done = orderlane("retention", "purge")
    assert done.exit_code == 1
    assert "from 15 to" in done.stderr
