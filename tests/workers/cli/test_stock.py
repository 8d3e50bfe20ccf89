import json

import pytest

from workers.cli.exits import Exit

SETTINGS = """
[[locations]]
name = "east"
endpoint = "http://127.0.0.1:1/x"
sender = { contact = "a", phone = "1", province = "b", city = "c", district = "d", detail = "e" }
credentials = { secret = "file:secret" }
"""


@pytest.fixture(autouse=True)
def _configured(monkeypatch, tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text(SETTINGS)
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


def test_a_warehouse_that_is_away_is_said_to_be(orderlane):
    result = orderlane("stock", "count", "--json")
    assert result.exit_code == Exit.UNREACHABLE
    assert json.loads(result.stdout.splitlines()[-1])["locations"]["east"]["error"].startswith("connection_failed")


def test_an_unknown_location_is_a_usage_error_that_names_the_known_ones(orderlane):
    result = orderlane("stock", "count", "north")
    assert result.exit_code == Exit.USAGE
    assert "locations are: east" in result.stderr
