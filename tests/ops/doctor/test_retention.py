import pytest

from infra.config.retention import Retention
from ops.doctor.check import Level
from ops.doctor.retention import all_checks


@pytest.fixture
def checks(database):
    def check():
        with database.connection() as session:
            return {one.name: one for one in all_checks(session, Retention())}

    return check


def test_a_fresh_house_is_well(checks):
    found = checks()
    assert {one.level for one in found.values()} == {Level.OK}
    assert "persons 90 days" in found["retention"].message
    assert "rows" in found["sizes"].message


def test_a_purge_that_is_behind_is_a_warning(checks, database):
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO warehouse_page (location, after, body, received_at) "
            "VALUES ('e', '', '', now() - interval '40 days')"
        )
    found = checks()["retention"]
    assert (found.level, "10 days behind" in found.message) == (Level.WARN, True)


def test_input_beyond_a_limit_is_a_warning(checks, database):
    with database.connection() as connection:
        connection.execute("INSERT INTO refused_input (kind, name, count) VALUES ('early scans', 'east', 7)")
    found = checks()["limits"]
    assert (found.level, found.message) == (Level.WARN, "refused beyond a limit: early scans of east 7")
    with database.connection() as connection:
        connection.execute("UPDATE refused_input SET last_at = now() - interval '8 days'")
    assert checks()["limits"].level is Level.OK
