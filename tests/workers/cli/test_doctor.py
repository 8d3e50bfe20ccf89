import json
import socket
from pathlib import Path

import pytest

SETTINGS = """
[stores]
data_dir = "{folder}"

[[shops]]
name = "main"
platform = "taobao"
endpoint = "http://127.0.0.1:{port}/taobao"
credentials = {{ app_key = "env:TOKEN", app_secret = "env:TOKEN", session = "env:TOKEN" }}
"""


@pytest.fixture
def configured(monkeypatch, tmp_path, database_url, redis_url):
    """Settings whose only host listens; stores as in every test."""
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    monkeypatch.setenv("TOKEN", "s3cret-token")
    with socket.create_server(("127.0.0.1", 0)) as server:
        Path("orderlane.toml").write_text(SETTINGS.format(folder=tmp_path, port=server.getsockname()[1]))
        yield


@pytest.mark.usefixtures("configured")
def test_each_check_is_one_line_that_opens_with_its_level(orderlane) -> None:
    result = orderlane("doctor")
    lines = result.stdout.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warn", "fail"}
    names = [line.split(maxsplit=1)[1].partition(":")[0] for line in lines]
    assert names[:3] == ["settings", "rules", "credentials"]
    assert {"redis", "postgres", "durability", "clock", "session", "schema", "work", "pull", "holds"} <= set(names)
    assert "s3cret-token" not in result.output


@pytest.mark.usefixtures("configured")
def test_a_failed_check_exits_with_1_and_says_what_to_do(orderlane) -> None:
    result = orderlane("doctor", "--json")
    report = json.loads(result.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    # The settings name no courier, and the suite's Postgres runs without fsync.
    assert checks["settings"]["advice"] == "add at least one each of: couriers, locations"
    assert checks["durability"]["level"] == "fail"
    assert report["status"] == "fail"
    assert result.exit_code == 1


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORDERLANE_DATABASE_URL", "host=127.0.0.1 port=1 dbname=none connect_timeout=2"),
        ("ORDERLANE_REDIS_URL", "redis://127.0.0.1:1/0"),
    ],
)
def test_a_store_that_is_away_exits_with_7(orderlane, monkeypatch, name, value) -> None:
    monkeypatch.setenv(name, value)
    result = orderlane("doctor")
    assert result.exit_code == 7
    assert name in result.stdout


def test_without_settings_it_says_so_and_stops(orderlane) -> None:
    result = orderlane("doctor")
    assert result.exit_code == 1
    assert result.stdout.startswith("fail settings: no settings file at orderlane.toml")
    assert result.stdout.count("\n") == 1
