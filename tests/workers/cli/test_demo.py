from contextlib import suppress

import msgspec
import pytest

from workers.cli import demo as command
from workers.demo.stage import Script, scenes_of


class NoStageError(Exception):
    """Ends the command once the script is known: the play itself is tested with whole runs."""


@pytest.fixture
def script_of(orderlane, monkeypatch):
    def given(*arguments) -> Script:
        seen = []

        def run_demo(_base, script, _show):
            seen.append(script)
            raise NoStageError

        monkeypatch.setattr(command, "run_demo", run_demo)
        with suppress(NoStageError):
            orderlane("demo", *arguments)
        return seen[0]

    return given


@pytest.fixture
def csv(tmp_path):
    place = tmp_path / "orders.csv"
    place.write_text("x")
    return place


def test_without_options_a_small_stream_is_generated(script_of) -> None:
    scenes = scenes_of(0.05, 0.0)
    assert script_of() == Script(
        500, None, seed=7, per_second=0.0, processes=2, threads=4, shops=5, scenes=scenes, follows=True
    )


def test_a_file_is_replayed_whole_unless_a_number_is_given(script_of, csv) -> None:
    assert script_of("--from", csv).orders == 0
    assert script_of("--from", csv, "--orders", 40).orders == 40
    assert script_of("--from", csv).csv == csv


def test_every_kind_of_warehouse_is_played_where_that_is_asked_for(script_of, orderlane, csv) -> None:
    script = script_of("--warehouses", "every")
    assert [place.name for place in script.locations] == list(script.floors)
    assert len({msgspec.json.encode(floor) for floor in script.floors.values()}) == 5
    assert orderlane("demo", "--warehouses", "every", "--from", csv).exit_code == 2


def test_every_option_reaches_the_script(script_of) -> None:
    numbers = ["--orders", "9", "--seed", "1", "--rate", "2.5", "--processes", "3", "--threads", "6", "--shops", "2"]
    shares = ["--split-share", "0.2", "--change-share", "0.07"]
    script = script_of(*numbers, *shares, "--control")
    scenes = scenes_of(0.2, 0.07)
    assert script == Script(
        9, None, seed=1, per_second=2.5, processes=3, threads=6, shops=2, control=True, scenes=scenes, follows=True
    )
    assert scenes.split + scenes.undividable == pytest.approx(0.2)
    assert scenes.refund_paid == scenes.virtual_line == pytest.approx(0.01)


@pytest.mark.parametrize("share", ["-0.1", "1.5", "nan"])
def test_a_share_is_a_share(orderlane, share) -> None:
    assert orderlane("demo", f"--split-share={share}").exit_code == 2
