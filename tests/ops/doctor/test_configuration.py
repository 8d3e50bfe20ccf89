import shutil
from importlib import resources
from types import SimpleNamespace

import pytest

from infra.config.absent_secrets import absent_secrets
from infra.config.settings import CourierContract, Settings, Stores
from ops.doctor import configuration
from ops.doctor.check import Level, worst

SHOP = """
[[shops]]
name = "main"
platform = "taobao"
endpoint = "http://127.0.0.1:1/"
credentials = {{ session = "{secret}" }}
"""


@pytest.fixture
def read(tmp_path):
    def of(content: str, **environ: str):
        file = tmp_path / "orderlane.toml"
        file.write_text(content)
        return configuration.read(file, environ)

    return of


def test_no_file_says_what_to_write(tmp_path) -> None:
    settings, check = configuration.read(tmp_path / "orderlane.toml", {})
    assert settings is None
    assert check.level is Level.FAIL
    assert "orderlane init" in check.advice


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("wokers = 3", "wokers"),
        ("[workers]\nprocesses = 'two'", "processes"),
        ("[", "settings_unreadable"),
        ('[stores]\ndatabase_url = "env:NOT_SET"', "NOT_SET"),
        (SHOP.format(secret="in plain sight"), "secret_in_file"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(read, content, words) -> None:
    settings, check = read(content)
    assert settings is None
    assert check.level is Level.FAIL
    assert words in check.message
    assert "plain sight" not in check.message


@pytest.mark.parametrize(
    ("secret", "words"), [("env:NOT_SET", "variable NOT_SET is not set"), ("file:nowhere", "nowhere")]
)
def test_a_secret_that_is_not_there_is_a_line_of_its_own(read, tmp_path, secret, words) -> None:
    settings, check = read(SHOP.format(secret=secret))
    assert settings is not None
    assert check.message.startswith(str(tmp_path))
    lines = list(configuration.secrets(absent_secrets(tmp_path / "orderlane.toml", {})))
    assert lines
    assert all(line.level is Level.FAIL and words in line.message and line.advice for line in lines)


def test_what_is_left_out_is_named(read) -> None:
    settings, check = read(SHOP.format(secret="env:TOKEN"), TOKEN="t")
    assert settings is not None
    assert check.advice == "add at least one each of: couriers, locations"


def test_packaged_rules_are_sound() -> None:
    assert configuration.rules(Settings()).level is Level.OK


def test_a_courier_that_no_rule_knows_fails() -> None:
    pigeon = CourierContract(name="m", courier="pigeon", endpoint="http://h", credentials={})
    check = configuration.rules(Settings(couriers=(pigeon,)))
    assert check.level is Level.FAIL
    assert "pigeon" in check.message


def test_rules_of_an_earlier_version_work_and_are_told_of(tmp_path) -> None:
    text = (resources.files("domain") / "default_rules.toml").read_text(encoding="utf-8")
    file = tmp_path / "rules.toml"
    file.write_text(text.replace('refund_asked_holds = "order"', ""), encoding="utf-8")
    check = configuration.rules(Settings(rules_file=str(file)))
    assert check.level is Level.WARN
    assert "has no review.refund_asked_holds: the packaged values hold" in check.message


def test_broken_rules_name_their_key(tmp_path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("[lanes]\np1_at = 'high'")
    check = configuration.rules(Settings(rules_file=str(file)))
    assert check.level is Level.FAIL
    assert "lanes.p1_at" in check.message


@pytest.mark.parametrize(("free_gib", "level"), [(0.5, Level.FAIL), (3, Level.WARN), (50, Level.OK)])
def test_room_is_judged_at_the_nearest_folder_that_exists(tmp_path, monkeypatch, free_gib, level) -> None:
    asked = []

    def usage(place):
        asked.append(place)
        return SimpleNamespace(free=int(free_gib * 1024**3))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    settings = Settings(stores=Stores(data_dir=str(tmp_path / "not" / "yet")))
    assert configuration.free_space(settings).level is level
    assert asked == [tmp_path]


def test_the_worst_counts() -> None:
    assert worst([]) is Level.OK
