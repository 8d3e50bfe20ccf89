"""A command finds the last demo where nothing else is named, and never guesses a store of real orders."""

import os
from pathlib import Path

import pytest

from infra.config.instance import Instance, SettingsSource, find_instance, remember_demo


@pytest.fixture
def environ(tmp_path):
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def empty(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def demo(tmp_path, environ) -> Path:
    file = tmp_path / "demo" / "orderlane.toml"
    file.parent.mkdir()
    file.write_text("")
    remember_demo(file, environ)
    return file


def test_the_last_demo_is_found_where_nothing_is_named(environ, empty, demo) -> None:
    assert find_instance(environ, empty) == Instance(SettingsSource.DEMO, demo)


def test_the_folder_s_own_settings_come_before_the_demo(environ, empty, demo) -> None:
    (empty / "orderlane.toml").write_text("")
    assert find_instance(environ, empty) == Instance(SettingsSource.FOLDER)


@pytest.mark.parametrize(
    "name", ["ORDERLANE_SETTINGS", "ORDERLANE_DATABASE_URL", "ORDERLANE_REDIS_URL", "ORDERLANE_DATA_DIR"]
)
@pytest.mark.usefixtures("demo")
def test_the_environment_comes_before_the_demo(environ, empty, name) -> None:
    """The demo's settings on a database of real orders would be the worst of all guesses."""
    assert find_instance({**environ, name: "x"}, empty) == Instance(SettingsSource.ENVIRONMENT)


def test_a_later_demo_takes_the_place_of_an_earlier_one(environ, empty, demo) -> None:
    later = demo.with_name("later.toml")
    later.write_text("")
    remember_demo(later, environ)
    assert find_instance(environ, empty).settings_file == later


def test_a_demo_whose_folder_is_gone_is_not_found(environ, empty, demo) -> None:
    demo.unlink()
    assert find_instance(environ, empty) == Instance(SettingsSource.NOTHING)


def test_a_marker_of_another_user_is_not_believed(environ, empty, demo, monkeypatch) -> None:
    assert find_instance(environ, empty).settings_file == demo
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert find_instance(environ, empty) == Instance(SettingsSource.NOTHING)


@pytest.mark.parametrize("written", [b"", b"relative/orderlane.toml\n", b"\xff\xfe", b"/x\x00y"])
def test_an_odd_marker_names_nothing(environ, empty, demo, tmp_path, written) -> None:
    assert demo.is_file()
    (tmp_path / "home/.local/state/orderlane/demo").write_bytes(written)
    assert find_instance(environ, empty) == Instance(SettingsSource.NOTHING)


def test_without_a_home_nothing_is_remembered(empty, demo) -> None:
    remember_demo(demo, {})
    assert find_instance({}, empty) == Instance(SettingsSource.NOTHING)


def test_a_home_that_cannot_be_written_to_stops_no_demo(tmp_path, empty, demo) -> None:
    (tmp_path / "file").write_text("")
    environ = {"XDG_STATE_HOME": str(tmp_path / "file")}
    remember_demo(demo, environ)
    assert find_instance(environ, empty) == Instance(SettingsSource.NOTHING)
