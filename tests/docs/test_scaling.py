"""What the pages on scaling and signals say of settings, groups and metrics is so."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from domain.groups import groups_of
from infra.config.settings import Settings
from infra.config.worker_settings import Scaling, Workers
from infra.monitoring.cursor_age import CursorAge
from infra.monitoring.signals import Signal, Signals
from infra.process.steps import STEPS
from infra.tables.alarms import AlarmCount
from ops.views.gates import Gate
from ops.views.status import LetterCount, PoolStatus, Status
from workers.metrics import StatusCollector

GROUPS = groups_of(STEPS.map())

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "\n".join(
    (DOCS / name).read_text(encoding="utf-8")
    for name in ("how-to/scaling.md", "reference/signals.md", "explanation/scaling.md")
)
STATUS = Status(
    signals=Signals(
        1.0,
        (
            Signal(
                group="label",
                lane="p0",
                depth=1,
                oldest_s=1.0,
                ship_by_s=1.0,
                inflow_per_min=1.0,
                drain_per_min=1.0,
                inflow=1,
                drain=1,
            ),
        ),
    ),
    is_measured=True,
    under_way={"label": 1},
    pools=(PoolStatus("main", 1, 1, 1),),
    holds={"address_vague": 1},
    letters=(LetterCount("label", "sf", "sick", 1),),
    gates=(Gate("lane", "bulk", "paused", "", "ada", None, None, 0),),
    breaches={"never_oversold": 1},
    gaps={},
    late={},
    cursors=(CursorAge("taobao/s1", None, 12.5, 930.0, None, False),),
    alarm_counts=(AlarmCount("feed_silent", "error", 1),),
)


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_of_settings_can_be_read(example) -> None:
    assert msgspec.convert(tomllib.loads(example), Settings)


def test_the_example_of_scaling_says_the_defaults() -> None:
    [example] = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[scaling]" in text]
    assert msgspec.convert(tomllib.loads(example), Settings).scaling == Scaling()


def test_the_groups_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `(order|label|tell|pull)` \| ([\w, ]+) \|", PAGE, re.MULTILINE))
    assert {name: tuple(steps.split(", ")) for name, steps in rows.items()} == GROUPS
    assert Workers().all_pools()[0].groups == tuple(GROUPS)


def test_the_metrics_are_those_that_are_served() -> None:
    served = {sample.name for family in StatusCollector(lambda: STATUS).collect() for sample in family.samples}
    table = PAGE.partition("| metric | labels |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(orderlane_\w+)`", table)) == served
