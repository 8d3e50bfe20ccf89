import re
from pathlib import Path

import pytest

from domain.errors import Misconfigured
from infra.config import settings
from infra.config.directory import directory_of
from infra.config.rules import load_rules
from infra.config.settings import Settings, Stores, data_dir, read_settings

SHOP = """
[[shops]]
name = "one"
platform = "taobao"
endpoint = "http://127.0.0.1:9/"
credentials = { app_key = "env:APP_KEY", app_secret = "file:secret" }
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "orderlane.toml"
    file.write_text(text)
    return file


def refusal(folder: Path, text: str, environ: dict[str, str] | None = None) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        read_settings(write(folder, text), environ or {})
    return caught.value


def test_without_a_file_everything_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(environ={}) == Settings()


def test_the_usual_file_is_found_where_we_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[workers]\nprocesses = 5")
    monkeypatch.chdir(tmp_path)
    assert read_settings(environ={}).workers.processes == 5


def test_secrets_come_from_the_environment_or_a_file_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-file\n")
    (shop,) = read_settings(write(tmp_path, SHOP), {"APP_KEY": "from-env"}).shops
    assert {key: secret.reveal() for key, secret in shop.credentials.items()} == {
        "app_key": "from-env",
        "app_secret": "from-file",
    }
    assert shop.account == "taobao/one"


def test_every_relative_path_starts_at_the_folder_of_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "house", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    packaged = (Path(settings.__file__).parents[2] / "domain" / "default_rules.toml").read_text()
    (folder / "rules.toml").write_text(packaged)
    (folder / "secret").write_text("beside the settings\n")
    text = f'rules_file = "rules.toml"\n{SHOP}\n[stores]\ndata_dir = "data"\n'
    write(folder, text)
    monkeypatch.chdir(elsewhere)
    read = read_settings(Path("../house/orderlane.toml"), {"APP_KEY": "x"})
    monkeypatch.chdir("/")
    assert load_rules(read.rules_file) == load_rules(str(folder / "rules.toml"))
    assert data_dir(read, {}) == folder / "data"
    assert read.shops[0].credentials["app_secret"].reveal() == "beside the settings"


def test_an_absolute_path_stays_and_one_of_the_environment_starts_where_we_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    file = write(tmp_path, 'rules_file = "/etc/rules.toml"\n[stores]\ndata_dir = "/srv/orderlane"')
    read = read_settings(file, {})
    assert (read.rules_file, read.stores.data_dir) == ("/etc/rules.toml", "/srv/orderlane")
    assert data_dir(read_settings(file, {"ORDERLANE_DATA_DIR": "srv/orders"}), {}) == Path("/srv/orders")


@pytest.mark.parametrize("value", ["0", "-1.0"])
def test_the_alarm_on_an_old_cursor_cannot_be_switched_off(tmp_path: Path, value) -> None:
    (tmp_path / "secret").write_text("x")
    text = f"{SHOP}cursor_age_max_s = {value}\n"
    assert refusal(tmp_path, text, {"APP_KEY": "x"}).code == "settings_invalid"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ('"plain-text"', "secret_in_file"),
        ('"env:NOT_SET"', "secret_missing"),
        ('"file:not-there"', "secret_missing"),
        ("7", "secret_invalid"),
    ],
)
def test_a_secret_that_is_missing_or_written_down_is_refused(tmp_path: Path, written: str, code: str) -> None:
    error = refusal(tmp_path, SHOP.replace('"env:APP_KEY"', written))
    assert error.code == code
    assert "plain-text" not in error.message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[workers]\nprocesess = 5", "procesess"),
        ('[workers]\nprocesses = "many"', "$.workers.processes"),
        (SHOP.replace('name = "one"', ""), "name"),
        ('log_level = "loud"', "loud"),
        ("rules_file = 7", "$.rules_file"),
        ("stores = 7", "$.stores"),
        ("[scaling]\nwindow_s = 0", "scaling.window_s"),
    ],
)
def test_an_error_names_the_offending_key(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "secret").write_text("x")
    error = refusal(tmp_path, text, {"APP_KEY": "x"})
    assert error.code == "settings_invalid"
    assert re.search(re.escape(named), error.message)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "[workers").code == "settings_unreadable"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="settings_missing"):
        read_settings(tmp_path / "nowhere.toml", {})
    with pytest.raises(Misconfigured, match="settings_missing"):
        read_settings(environ={"ORDERLANE_SETTINGS": str(tmp_path / "nowhere.toml")})


def test_the_environment_outranks_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, '[stores]\ndatabase_url = "postgresql:///file"\ndata_dir = "/file"')
    environ = {
        "ORDERLANE_SETTINGS": str(file),
        "ORDERLANE_DATABASE_URL": "postgresql:///environment",
        "ORDERLANE_REDIS_URL": "unix:///environment",
    }
    stores = read_settings(environ=environ).stores
    assert stores.database_url.reveal() == "postgresql:///environment"
    assert stores.redis_url.reveal() == "unix:///environment"
    assert stores.data_dir == "/file"


def test_the_data_folder_is_the_configured_one_else_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_dir(Settings(stores=Stores(data_dir="/srv/x/../orders")), {}) == Path("/srv/orders")
    monkeypatch.setattr(settings.os, "geteuid", lambda: 0)
    assert data_dir(Settings(), {"HOME": "/root"}) == Path("/var/lib/orderlane")
    monkeypatch.setattr(settings.os, "geteuid", lambda: 1000)
    assert data_dir(Settings(), {"HOME": "/home/x"}) == Path("/home/x/.local/share/orderlane")
    assert data_dir(Settings(), {"HOME": "/home/x", "XDG_DATA_HOME": "/d"}) == Path("/d/orderlane")


def test_a_lease_must_outlast_the_calls_of_one_subject(tmp_path):
    file = tmp_path / "orderlane.toml"
    file.write_text("[engine]\nlease_s = 30.0\n[door]\ntotal_s = 10.0\n")
    with pytest.raises(Misconfigured) as caught:
        read_settings(file, {})
    assert caught.value.code == "settings_invalid"
    file.write_text("[engine]\nlease_s = 31.0\n[door]\ntotal_s = 10.0\n")
    assert read_settings(file, {}).engine.lease_s == 31.0


CONTRACTS = """
[[couriers]]
name = "main"
courier = "sf"
endpoint = "http://127.0.0.1:9/"
credentials = {}

[[couriers]]
name = "south"
courier = "sf"
endpoint = "http://127.0.0.1:9/"
credentials = {}

[[locations]]
name = "hangzhou"
endpoint = "http://127.0.0.1:9/"
credentials = {}
sender = { contact = "c", phone = "1", province = "p", city = "c", district = "d", detail = "x" }
"""


@pytest.mark.parametrize(
    ("line", "accounts"),
    [("", ["sf/main", "sf/south"]), ('contracts = ["sf/south"]', ["sf/south"])],
)
def test_a_location_names_its_contracts_or_has_all(tmp_path, line, accounts):
    read = read_settings(write(tmp_path, CONTRACTS + line), {})
    assert [courier.account for courier in directory_of(read).contracts_at(read.locations[0].name)] == accounts


@pytest.mark.parametrize("named", ['["sf/north"]', '["main"]', '["sf/main", "sf/main"]'])
def test_a_contract_that_is_no_courier_of_the_settings_is_refused(tmp_path, named):
    error = refusal(tmp_path, f"{CONTRACTS}contracts = {named}\n")
    assert error.code == "settings_invalid"
    assert "location hangzhou" in error.message
