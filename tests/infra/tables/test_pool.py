import threading

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from infra.tables.pool import Connection, Database, in_transaction


@pytest.fixture
def rows(database: Database) -> Database:
    with database.connection() as connection:
        connection.execute("CREATE TABLE tick (id integer PRIMARY KEY)")
    return database


def count(database: Database) -> int:
    with database.connection() as connection:
        (number,) = connection.execute("SELECT count(*) FROM tick").fetchone()
    return number


def insert_twice(connection: Connection) -> None:
    connection.execute("INSERT INTO tick VALUES (1)")
    connection.execute("INSERT INTO tick VALUES (1)")


def end_session(database: Database, pid: int) -> None:
    with database.direct() as admin:
        assert admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)


def test_statements_outside_a_transaction_commit_one_by_one(rows: Database) -> None:
    with rows.connection() as connection:
        connection.execute("INSERT INTO tick VALUES (1)")
        assert count(rows) == 1


def test_a_transaction_commits_as_a_whole_or_not_at_all(rows: Database) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation), rows.transaction() as connection:
        insert_twice(connection)
    assert count(rows) == 0
    with rows.transaction() as connection:
        connection.execute("INSERT INTO tick VALUES (1), (2)")
    assert count(rows) == 2


def test_an_open_transaction_shows_in_its_own_thread_only(database: Database) -> None:
    seen = []
    with database.connection():
        assert not in_transaction()
    with database.transaction():
        assert in_transaction()
        with database.transaction():
            assert in_transaction()
        assert in_transaction()
        other = threading.Thread(target=lambda: seen.append(in_transaction()))
        other.start()
        other.join()
    assert seen == [False]
    assert not in_transaction()


def test_a_failed_transaction_is_no_longer_open(database: Database) -> None:
    with pytest.raises(psycopg.errors.SyntaxError), database.transaction() as connection:
        connection.execute("SELEC 1")
    assert not in_transaction()


def test_counts_statements_and_commits(rows: Database) -> None:
    before = (rows.counts.statements, rows.counts.commits)
    with rows.transaction() as connection:
        connection.execute("INSERT INTO tick VALUES (1)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO tick VALUES (%s)", [(2,), (3,)])
    with pytest.raises(LookupError), rows.transaction():
        raise LookupError
    assert (rows.counts.statements - before[0], rows.counts.commits - before[1]) == (3, 1)


@pytest.mark.parametrize("make", ["connection", "direct"])
def test_every_connection_has_its_time_outs(database_url, make: str) -> None:
    database = Database(
        database_url.reveal(),
        statement_timeout_ms=1_001,
        lock_timeout_ms=1_002,
        idle_in_transaction_session_timeout_ms=1_003,
    )
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with database, getattr(database, make)() as connection:
        found = [connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0] for name in names]
    assert found == ["1001ms", "1002ms", "1003ms"]


def test_a_stuck_statement_is_cut_off(database_url) -> None:
    database = Database(database_url.reveal(), statement_timeout_ms=20)
    with database, database.connection() as connection, pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(30)")


def test_options_of_the_url_survive(database_url) -> None:
    url = psycopg.conninfo.make_conninfo(
        database_url.reveal(), options="-c search_path=elsewhere", application_name="x"
    )
    with Database(url) as database, database.connection() as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("elsewhere",)
        assert connection.execute("SHOW application_name").fetchone() == ("x",)


@pytest.mark.parametrize("make", ["connection", "side", "direct"])
def test_a_server_that_vanished_is_given_up_in_seconds(database: Database, make: str) -> None:
    with getattr(database, make)() as connection:
        told = connection.info.get_parameters()
    expected = {
        "tcp_user_timeout": "10000",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
    }
    assert expected.items() <= told.items()


def test_what_the_url_says_of_its_network_holds(database_url) -> None:
    given = {"tcp_user_timeout": "1234", "keepalives": "0", "keepalives_idle": "77", "connect_timeout": "9"}
    url = psycopg.conninfo.make_conninfo(database_url.reveal(), **given)
    with Database(url) as database, database.connection() as connection:
        assert given.items() <= connection.info.get_parameters().items()


def test_a_connection_that_died_in_the_pool_is_replaced_unseen(database: Database) -> None:
    with database.connection() as connection:
        dead = connection.info.backend_pid
    end_session(database, dead)
    with database.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.info.backend_pid != dead


def test_without_the_check_a_dead_connection_reaches_the_caller(database: Database) -> None:
    database._pool._check = None
    with database.connection() as connection:
        dead = connection.info.backend_pid
    end_session(database, dead)
    with pytest.raises(psycopg.OperationalError), database.connection() as connection:
        connection.execute("SELECT 1")


def test_reachable_as_long_as_the_server_takes_connections(database: Database, database_url, tmp_path) -> None:
    assert database.is_reachable()
    nowhere = psycopg.conninfo.make_conninfo(database_url.reveal(), host=str(tmp_path))
    with Database(nowhere) as unreachable:
        assert not unreachable.is_reachable()


def test_beside_a_full_pool_a_side_connection_is_free(database_url) -> None:
    with Database(database_url.reveal(), 1, checkout_timeout_s=0.2) as database, database.transaction():
        with database.side() as side:
            assert side.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(PoolTimeout), database.connection():
            pytest.fail("the control: a second one of the same pool is not")
        assert database.waits == 2, "the first one waited until it was opened"
