import pytest

from domain.errors import Misconfigured
from domain.retention import Kind
from infra.config.retention import Retention
from infra.config.settings import read_settings


def test_every_kind_has_its_days():
    assert Retention().days.keys() == set(Kind)


@pytest.mark.parametrize(
    "line",
    [
        *("persons_days = 3", "events_days = -1", "transit_days = 0", "every_s = 0", "nonsense = 1"),
        # What no interval of the database reaches back to.
        *("persons_days = 10000000", "pages_days = 36501", "transit_days = 36501", "every_s = nan"),
    ],
)
def test_an_unsafe_policy_is_refused_at_start(tmp_path, line):
    file = tmp_path / "orderlane.toml"
    file.write_text(f"[retention]\n{line}\n")
    with pytest.raises(Misconfigured) as raised:
        read_settings(file, {})
    assert raised.value.code == "settings_invalid"
    assert line.partition(" ")[0] in str(raised.value)


def test_a_policy_is_read(tmp_path):
    file = tmp_path / "orderlane.toml"
    file.write_text("[retention]\npersons_days = 30\npages_days = 0\n")
    assert read_settings(file, {}).retention == Retention(persons_days=30, pages_days=0)
