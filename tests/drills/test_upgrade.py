"""Orders that were stored by the last version without line quantities, in every state, and their migration."""

import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.errors import Misconfigured
from domain.states import State
from drills.upgrade.earlier import Earlier
from drills.upgrade.migrating import migrate_measured
from drills.upgrade.rolling import rolling_upgrade
from drills.upgrade.stored import LOOKS, store_orders, wake
from infra.monitoring.invariants import find_breaches
from infra.servers import Connection
from infra.tables.migrate import FOLDER, migrate
from infra.tables.pool import Database

LAST_WITHOUT_LINES = 11
ORDERS = 2_000


@pytest.fixture
def db(stores: Connection, tmp_path: Path) -> Iterator[Database]:
    """A database of the schema before line quantities, with stored orders."""
    server = stores.database_url.reveal()
    name = f"stored_{uuid.uuid4().hex[:16]}"
    for file in FOLDER.glob("*.sql"):
        if int(file.name[:4]) <= LAST_WITHOUT_LINES:
            shutil.copy(file, tmp_path)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with Database(make_conninfo(server, dbname=name), 4) as db:
            with db.direct() as session:
                migrate(session, tmp_path)
                session.execute("INSERT INTO location (name) VALUES ('east'), ('west')")
            store_orders(db, ORDERS)
            yield db
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def rows(db, query, named=None):
    with db.connection() as connection:
        return connection.execute(query, named).fetchall()


def sums(db):
    return {name: rows(db, LOOKS[name]) for name in ("stored_sums", "unplanned", "unpacked")}


def breaches(db):
    with db.direct() as session:
        return {breach.name for breach in find_breaches(session)}


def test_stored_orders_of_every_state_migrate_and_their_sums_agree(db):
    states = {state for (state,) in rows(db, "SELECT DISTINCT state FROM fulfillment_order")}
    assert states == set(State)
    before = rows(db, LOOKS["stock_sums"])
    applied = migrate_measured(db)
    assert [one.file for one in applied][:2] == ["0012_pre_lines.sql", "0013_pre_lines_of_stored.sql"]
    assert breaches(db) == set()
    assert sums(db) == {"stored_sums": [(0,)], "unplanned": [(0,)], "unpacked": [(0,)]}
    assert rows(db, LOOKS["stock_sums"]) == before


def test_refunded_lines_are_planned_where_their_pieces_were_allocated_and_nowhere_else(db):
    migrate_measured(db)
    assert dict(
        rows(
            db,
            """SELECT s.n % 2 = 0 AND s.reservation IN ('allocated', 'consumed'),
                      array_agg(DISTINCT l.planned = l.quantity)
               FROM order_line AS l JOIN stored AS s USING (order_id) WHERE l.refunded GROUP BY 1""",
        )
    ) == {True: [True], False: [False]}


def test_without_the_second_file_no_piece_is_accounted(db, tmp_path):
    for file in sorted(FOLDER.glob("*.sql")):
        if file.name >= "0012":
            shutil.copy(file, tmp_path)
    (tmp_path / "0013_pre_lines_of_stored.sql").write_text("SELECT 1;\n")
    with db.direct() as session:
        migrate(session, tmp_path)
    assert breaches(db) == {"nothing_is_forgotten"}


def test_it_goes_on_where_it_was_stopped(db, tmp_path):
    """Everything of the first half is done already, some of it by workers of the earlier version."""
    shutil.copy(FOLDER / "0012_pre_lines.sql", tmp_path)
    whole = (FOLDER / "0013_pre_lines_of_stored.sql").read_text()
    (tmp_path / "0013_pre_lines_of_stored.sql").write_text(whole.replace("WHILE low < last", "WHILE low < last / 2"))
    with db.direct() as session:
        migrate(session, tmp_path)
        session.execute("DELETE FROM schema_migration WHERE version = 13")
        done = session.execute("SELECT count(*) FROM fulfillment_line").fetchone()[0]
        migrate(session)
        assert 0 < done < session.execute("SELECT count(*) FROM fulfillment_line").fetchone()[0]
    assert breaches(db) == set()
    assert sums(db) == {"stored_sums": [(0,)], "unplanned": [(0,)], "unpacked": [(0,)]}


def test_orders_move_while_it_runs(db, tmp_path):
    """Every order that is on its way is closed by others, in no order, before, while and after it is completed."""
    shutil.copy(FOLDER / "0012_pre_lines.sql", tmp_path)
    with db.direct() as session:
        migrate(session, tmp_path)
    open_ones = rows(db, "SELECT id FROM fulfillment_order WHERE state IN ('paid', 'approved') ORDER BY md5(id::text)")

    def close(one):
        with db.transaction() as tx:
            tx.execute(
                """UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now(),
                   reservation = 'none' WHERE id = %s""",
                one,
            )
            tx.execute("DELETE FROM reservation WHERE fulfillment_order_id = %s", one)

    with ThreadPoolExecutor(2) as pool, db.direct() as session:
        closing = [pool.submit(close, one) for one in open_ones]
        assert "0013_pre_lines_of_stored.sql" in migrate(session)
        for one in closing:
            one.result()
    assert breaches(db) - {"pool_counts"} == set()
    assert sums(db) == {"stored_sums": [(0,)], "unplanned": [(0,)], "unpacked": [(0,)]}


def test_what_is_locked_is_waited_for_and_nobody_else_waits(db, tmp_path):
    """A worker has one order in hand for long: the others can still be moved."""
    shutil.copy(FOLDER / "0012_pre_lines.sql", tmp_path)
    with db.direct() as worker, db.direct() as other, db.direct() as session, ThreadPoolExecutor(1) as pool:
        migrate(session, tmp_path)
        with worker.transaction():
            worker.execute("SELECT FROM fulfillment_order WHERE id = 1500 FOR UPDATE")
            migrating = pool.submit(migrate, session)
            while not other.execute("SELECT FROM fulfillment_line LIMIT 1").rowcount:
                assert not migrating.done()
            other.execute("SET lock_timeout = '5s'")
            other.execute("UPDATE fulfillment_order SET version = version + 1 WHERE id < 1000 OR id > 1500")
            assert not migrating.done()
        migrating.result()


def test_stored_orders_are_woken_by_shares(db):
    woken = [wake(db, share, 5) for share in range(5)]
    assert min(woken) > 0
    assert sum(woken) == rows(db, "SELECT count(*) FROM work WHERE step IN ('reserve', 'review', 'route')")[0][0]


def test_a_folder_that_holds_no_version_is_refused(plan, tmp_path):
    with pytest.raises(Misconfigured, match="earlier_missing"):
        Earlier(tmp_path)
    with pytest.raises(Misconfigured, match="earlier_missing"):
        rolling_upgrade(replace(plan, earlier=None))
