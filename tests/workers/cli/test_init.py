import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from adapters import registry
from domain.errors import Misconfigured
from infra.config.absent_secrets import ABSENT, absent_secrets
from infra.config.settings import read_settings
from workers.cli.init import take_over_lines, write_settings

NOW = datetime(2026, 11, 30, 0, 0, 0, 123456, timezone(timedelta(hours=8)))


@pytest.fixture
def written(orderlane):
    assert orderlane("init").exit_code == 0
    return Path("orderlane.toml")


@pytest.fixture
def environ(written):
    """Every secret where the file says."""
    absent = absent_secrets(written, {})
    for one in absent:
        if one.is_file:
            Path(one.place).parent.mkdir(exist_ok=True)
            Path(one.place).write_text("s3cret")
    return {one.place: "whsec_MDEyMzQ1Njc4OWFiY2RlZg==" for one in absent if not one.is_file}


def test_what_it_writes_is_read_by_our_own_reader(written, environ) -> None:
    settings = read_settings(written, environ)
    assert [shop.account for shop in settings.shops] == ["taobao/flagship"]
    assert settings.watched_shops == {"taobao/flagship"}
    assert settings.shops[0].take_over_from is not None
    assert [courier.account for courier in settings.couriers] == ["sf/main"]
    assert [location.account for location in settings.locations] == ["warehouse/main-warehouse"]
    assert [channel.account for channel in settings.channels] == ["webhook/buyers"]
    assert len(registry.hosts(settings)) == 4


def test_a_location_without_a_system_is_written_too(orderlane, monkeypatch, database_url, redis_url) -> None:
    result = orderlane("init", "--own")
    assert (result.exit_code, "WAREHOUSE_SECRET" in result.stdout) == (0, False)
    assert "orderlane stock import main-warehouse" in result.stdout
    settings = read_settings(Path("orderlane.toml"), {}, absent=ABSENT)
    [location] = settings.locations
    assert (location.is_own, location.endpoint, location.credentials) == (True, "", {})
    assert len(registry.hosts(settings)) == 3
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    named = orderlane("doctor").stdout
    assert "warehouse/main-warehouse" not in named
    assert "of a location of your own: `orderlane stock import`" in " ".join(named.split())


@pytest.mark.parametrize("extra", ['endpoint = "http://localhost"', 'credentials = { secret = "env:X" }'])
def test_a_location_without_a_system_has_no_address_of_one(orderlane, extra, monkeypatch) -> None:
    monkeypatch.setenv("X", "x")
    assert orderlane("init", "--own").exit_code == 0
    file = Path("orderlane.toml")
    file.write_text(file.read_text().replace('kind = "own" ', f'{extra}\nkind = "own" '))
    with pytest.raises(Misconfigured, match="kind own has no endpoint, credentials or options"):
        read_settings(file, {"X": "x"}, absent=ABSENT)


def test_a_location_with_a_system_needs_its_endpoint(orderlane, written) -> None:
    text = written.read_text()
    written.write_text(text.replace('endpoint = "https://warehouse.example.com/orderlane"\n', ""))
    with pytest.raises(Misconfigured, match="needs an endpoint"):
        read_settings(written, {}, absent=ABSENT)


def test_secrets_are_references_only(written) -> None:
    text = written.read_text()
    blocks = re.findall(r"credentials(?:\]| = \{)(.*?)(?:\n\n|$)", text, re.DOTALL)
    values = re.findall(r'= "([^"]+)"', " ".join(blocks))
    assert len(values) == 8
    assert all(value.startswith(("env:", "file:")) for value in values)


def test_it_never_overwrites(orderlane, written) -> None:
    written.write_text("mine")
    result = orderlane("init")
    assert (result.exit_code, written.read_text()) == (5, "mine")
    assert result.stderr.startswith("orderlane: settings_exist: orderlane.toml is there already")


def test_it_says_where_each_secret_goes_and_what_comes_next(orderlane) -> None:
    said = orderlane("init").stdout
    assert "variable TAOBAO_APP_KEY" in said
    assert "file secrets/flagship-session" in said
    assert said.index("orderlane doctor") < said.index("orderlane run")


def test_another_place_is_named_in_the_environment(orderlane, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("ORDERLANE_SETTINGS", str(tmp_path / "mine.toml"))
    assert orderlane("init").exit_code == 0
    assert (tmp_path / "mine.toml").is_file()


def test_a_folder_that_is_not_there_is_one_line(orderlane, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("ORDERLANE_SETTINGS", str(tmp_path / "none" / "mine.toml"))
    result = orderlane("init")
    assert result.exit_code == 1
    assert result.stderr.startswith("orderlane: settings_unwritable: ")


def test_what_was_paid_before_now_is_left_to_the_system_before(tmp_path) -> None:
    write_settings(tmp_path / "orderlane.toml", NOW)
    lines = take_over_lines(NOW)
    assert lines in (tmp_path / "orderlane.toml").read_text()
    assert lines.startswith("take_over_from = 2026-11-30T00:00:00+08:00")


def test_the_doctor_names_each_missing_thing_with_what_to_do(orderlane, monkeypatch, database_url, redis_url) -> None:
    orderlane("init")
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    # Nothing on this machine listens there.
    text = re.sub(r"https://[a-z.-]+(com|com/[a-z/]*)/", "http://127.0.0.1:1/", Path("orderlane.toml").read_text())
    Path("orderlane.toml").write_text(text)
    lines = orderlane("doctor").stdout.splitlines()
    for start in (
        "fail taobao/flagship: app_key: variable TAOBAO_APP_KEY is not set",
        "fail taobao/flagship: session: no file at secrets/flagship-session",
        "fail webhook/buyers: secret: variable WEBHOOK_SECRET is not set",
        "fail 127.0.0.1:1: no connection",
        "warn counted: no stock was counted yet at: main-warehouse",
    ):
        assert [line for line in lines if line.startswith(start)], (start, lines)
    assert all("→" in line for line in lines if not line.startswith("ok"))


def test_an_endpoint_of_the_example_is_named(orderlane, monkeypatch, database_url, redis_url) -> None:
    orderlane("init")
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    text = Path("orderlane.toml").read_text().replace("eco.taobao.com", "shop.example.com")
    Path("orderlane.toml").write_text(text.replace("sfapi.sf-express.com", "courier.example.com"))
    said = orderlane("doctor").stdout
    assert said.count("its endpoint is an example") == 4
    assert "no connection" not in said
