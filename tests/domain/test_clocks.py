"""Every clock has a row that says whose it is and what follows."""

from domain.clocks import CLOCKS, ClockName


def test_every_clock_has_its_row():
    assert set(CLOCKS) == set(ClockName)
    for clock in CLOCKS.values():
        assert all((clock.starts, clock.ends, clock.lasts, clock.owner, clock.then))
