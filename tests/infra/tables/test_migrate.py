import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import infra.tables.migrate
from domain.errors import Misconfigured
from infra.servers import Connection
from infra.tables.migrate import FOLDER, migrate, pending

FIRST = "CREATE TABLE shelf (id integer);\nCREATE INDEX shelf_id ON shelf (id); -- 100 %"
SECOND = "INSERT INTO shelf VALUES (1)"


@pytest.fixture
def connect(stores: Connection):
    """Opens sessions of an empty database."""
    server = stores.database_url.reveal()
    name = f"empty_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = make_conninfo(server, dbname=name)
        yield lambda: psycopg.connect(url, autocommit=True)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_pre_shelf.sql").write_text(FIRST)
    (tmp_path / "0002_post_fill.sql").write_text(SECOND)
    return tmp_path


def test_applies_in_order_and_once(connect, folder: Path) -> None:
    files = ["0001_pre_shelf.sql", "0002_post_fill.sql"]
    with connect() as connection:
        assert pending(connection, folder) == files
        assert migrate(connection, folder) == files
        assert pending(connection, folder) == []
        assert migrate(connection, folder) == []
        assert connection.execute("SELECT id FROM shelf").fetchall() == [(1,)]
        assert connection.execute("SELECT version, name FROM schema_migration").fetchall() == [
            (1, "pre_shelf"),
            (2, "post_fill"),
        ]


def test_an_empty_folder_is_no_error(connect, tmp_path: Path) -> None:
    with connect() as connection:
        assert migrate(connection, tmp_path) == []
        assert pending(connection, tmp_path) == []


def test_eight_at_once_apply_each_file_once(connect, folder: Path) -> None:
    def start(_: int) -> list[str]:
        with connect() as connection:
            return migrate(connection, folder)

    with ThreadPoolExecutor(8) as pool:
        applied = [file for files in pool.map(start, range(8)) for file in files]
    assert sorted(applied) == ["0001_pre_shelf.sql", "0002_post_fill.sql"]
    with connect() as connection:
        assert connection.execute("SELECT count(*) FROM shelf").fetchone() == (1,)


def test_without_the_lock_two_at_once_collide(connect, folder: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "none").mkdir()
    with connect() as connection:
        migrate(connection, tmp_path / "none")
    both = Barrier(2, timeout=20)
    apply = infra.tables.migrate._apply

    def apply_together(connection, migration) -> None:
        if migration.version == 1:
            both.wait()
        apply(connection, migration)

    monkeypatch.setattr("infra.tables.migrate._wait_for_turn", lambda connection: None)
    monkeypatch.setattr("infra.tables.migrate._apply", apply_together)

    def start(_: int) -> str:
        try:
            with connect() as connection:
                migrate(connection, folder)
        except psycopg.Error as error:
            return type(error).__name__
        return ""

    with ThreadPoolExecutor(2) as pool:
        assert sorted(map(bool, pool.map(start, range(2)))) == [False, True]


def test_a_failing_file_leaves_nothing_of_itself(connect, folder: Path) -> None:
    (folder / "0003_pre_broken.sql").write_text("INSERT INTO shelf VALUES (2); SELECT nonsense;")
    with connect() as connection:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            migrate(connection, folder)
        assert pending(connection, folder) == ["0003_pre_broken.sql"]
        assert connection.execute("SELECT id FROM shelf").fetchall() == [(1,)]


@pytest.mark.parametrize("ask", [migrate, pending])
def test_a_file_changed_after_it_was_applied_is_refused(connect, folder: Path, ask) -> None:
    with connect() as connection:
        migrate(connection, folder)
        (folder / "0001_pre_shelf.sql").write_text(FIRST + "\n")
        with pytest.raises(Misconfigured, match="migration_changed"):
            ask(connection, folder)


def test_a_database_that_is_ahead_is_refused(connect, folder: Path) -> None:
    with connect() as connection:
        migrate(connection, folder)
        (folder / "0002_post_fill.sql").unlink()
        with pytest.raises(Misconfigured, match="schema_newer"):
            migrate(connection, folder)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("0004_pre_later.sql", "migration_gap"),
        ("0002_pre_other.sql", "migration_repeated"),
        ("0003_shelf.sql", "migration_misnamed"),
        ("3_pre_shelf.sql", "migration_misnamed"),
    ],
)
def test_a_folder_out_of_order_is_refused(connect, folder: Path, file: str, code: str) -> None:
    (folder / file).write_text("SELECT 1")
    with connect() as connection, pytest.raises(Misconfigured, match=code):
        migrate(connection, folder)


def test_a_long_migration_is_not_cut_off(connect, tmp_path: Path) -> None:
    (tmp_path / "0001_pre_slow.sql").write_text("SELECT pg_sleep(0.1)")
    with connect() as connection:
        connection.execute("SET statement_timeout = '20ms'")
        assert migrate(connection, tmp_path) == ["0001_pre_slow.sql"]
        assert connection.execute("SHOW statement_timeout").fetchone() == ("20ms",)


def test_our_own_migrations_apply(connect) -> None:
    with connect() as connection:
        assert migrate(connection) == sorted(file.name for file in FOLDER.glob("*.sql"))


POISONED = """
WITH r AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
           VALUES ('p', 's', '1', '', 'pull', 'bulk', '') RETURNING id),
o AS (INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
      SELECT 'p', 's', '1', id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false, false, now(),
             now(), '', '', '', 0, now() FROM r RETURNING id),
f AS (INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'packed', 'bulk' FROM o RETURNING id),
k AS (INSERT INTO package (fulfillment_order_id, number, courier, account, location, packed_at, handed_over_at)
      SELECT id, 1, 'sf', 'main', 'east', '0001-01-01 00:00:00+08', now() FROM f RETURNING id),
t AS (INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
      SELECT id, 1, 'REF', 'sf', 'booked', 'W', now() FROM k),
w AS (INSERT INTO writeback (package_id, order_id, shipped_at)
      SELECT k.id, o.id, '0001-01-01 00:00:00+08' FROM k, o),
n AS (INSERT INTO notice (package_id, event, channel, occurred_at) SELECT id, 'e', 'c', '0001-01-01 00:00:00+08' FROM k)
INSERT INTO early_scan (event_id, location, reference, waybill, kind, at)
VALUES ('1', 'east', 'REF', '', 'packed', '0001-01-01 00:00:00+08'), ('2', 'east', 'X', '', 'packed', now())
"""
TIMES = """
SELECT p.packed_at = p.created_at, p.handed_over_at IS NOT NULL,
       w.shipped_at = p.created_at, n.occurred_at = p.created_at
FROM package AS p JOIN writeback AS w ON w.package_id = p.id JOIN notice AS n ON n.package_id = p.id
"""


def test_scan_times_that_nobody_can_read_back_become_records(connect, tmp_path: Path) -> None:
    for file in sorted(FOLDER.glob("000[1-6]_*.sql")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with connect() as connection:
        migrate(connection, tmp_path)
        connection.execute(POISONED)
        for column, table in (("at", "early_scan"), ("packed_at", "package"), ("shipped_at", "writeback")):
            read = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
            with pytest.raises(psycopg.DataError):  # the control: no reader gets past them
                connection.execute(read).fetchall()
        assert migrate(connection)[0] == "0007_pre_scans.sql"
        assert connection.execute(TIMES).fetchall() == [(True, True, True, True)]
        assert connection.execute("SELECT event_id FROM early_scan WHERE at < now()").fetchall() == [("2",)]
        found = connection.execute("SELECT source, account, reference, owner FROM unreadable_entry").fetchall()
        assert found == [("scan", "warehouse/east", "REF", "warehouse")]
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE package SET packed_at = '0001-01-01 00:00:00+08'")


MARKED = """
WITH r AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
           VALUES ('p', 's', '1', '', 'pull', 'bulk', '') RETURNING id),
o AS (INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
      SELECT 'p', 's', '1', id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false, false, now(),
             now(), '', '', '', 0, now() FROM r RETURNING id)
INSERT INTO clock_alarm (order_id, percent, next_at)
SELECT id, percent, CASE WHEN percent = 100 THEN now() END FROM o, unnest('{50,80,100}'::int[]) AS percent
"""


def test_orders_that_are_late_count_at_once_and_no_other_mark_of_before(connect, tmp_path: Path) -> None:
    [alarms] = FOLDER.glob("*_pre_alarm.sql")
    for file in FOLDER.glob("*.sql"):
        if file.name < alarms.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with connect() as connection:
        migrate(connection, tmp_path)
        connection.execute(MARKED)
        migrate(connection)
        running = "SELECT percent FROM clock_alarm WHERE over_at IS NULL ORDER BY percent"
        assert connection.execute(running).fetchall() == [(100,)]
        connection.execute("DELETE FROM clock_alarm")
        connection.execute("INSERT INTO clock_alarm (order_id, percent) SELECT id, 50 FROM orders")
        assert connection.execute(running).fetchall() == [(50,)], "as a sweeper of before writes it"


LEFT_ALONE = """
WITH r AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
           SELECT 'p', 's', n::text, '', 'pull', 'bulk', '' FROM generate_series(1, 3) AS n
           RETURNING id, platform_order_id),
o AS (INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
      SELECT 'p', 's', platform_order_id, id, 'closed', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false,
             false, now(), now(), '', '', '', 0, now() FROM r ORDER BY id RETURNING id, platform_order_id),
f AS (INSERT INTO fulfillment_order (order_id, state, lane, closed_reason, finished_at)
      SELECT id, 'closed', 'bulk', 'closed_by_platform', now() FROM o RETURNING id, order_id),
k AS (INSERT INTO package (fulfillment_order_id, number, courier, account, location, handed_over_at)
      SELECT f.id, 1, 'sf', 'sf/main', 'east', CASE WHEN o.platform_order_id = '3' THEN now() END
      FROM f JOIN o ON o.id = f.order_id RETURNING id, fulfillment_order_id)
INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at, call_deadline)
SELECT k.id, 1, 'REF' || o.platform_order_id, 'sf', CASE WHEN n = '1' THEN 'intended' ELSE 'booked' END,
       CASE WHEN n <> '1' THEN 'W' || n END, CASE WHEN n <> '1' THEN now() END, CASE WHEN n = '1' THEN now() END
FROM k JOIN f ON f.id = k.fulfillment_order_id JOIN o ON o.id = f.order_id, LATERAL (SELECT o.platform_order_id) AS t(n)
"""
ASKED = """
SELECT o.platform_order_id, w.account, w.shop
FROM work AS w JOIN package AS p ON p.id = w.subject_id JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
JOIN orders AS o ON o.id = f.order_id WHERE w.step = 'label'
"""
HELD = """
SELECT o.platform_order_id, h.code, h.owner, h.facts
FROM hold AS h JOIN fulfillment_order AS f ON f.id = h.fulfillment_order_id JOIN orders AS o ON o.id = f.order_id
"""


def test_calls_that_earlier_versions_left_alone_are_asked_about_and_living_waybills_have_an_owner(
    connect, tmp_path: Path
) -> None:
    for file in sorted(FOLDER.glob("000[1-7]_*.sql")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with connect() as connection:
        migrate(connection, tmp_path)
        connection.execute(LEFT_ALONE)
        assert migrate(connection)[0] == "0008_pre_intents.sql"
        assert connection.execute(ASKED).fetchall() == [("1", "sf/main", "p/s")]
        facts = {"courier": "sf", "waybill": "W2"}
        assert connection.execute(HELD).fetchall() == [("2", "unwanted_waybill", "logistics", facts)]


def test_code_works_beside_a_newer_file_that_came_before_its_code(connect, folder: Path) -> None:
    newer = folder / "0003_pre_later.sql"
    newer.write_text("SELECT 1")
    with connect() as connection:
        migrate(connection, folder)
        newer.unlink()
        assert pending(connection, folder) == []
        assert migrate(connection, folder) == []


PIECES = """-- commits by itself
-- Three pieces.
DO $$ BEGIN
    FOR piece IN 1..3 LOOP
        IF piece = 3 AND EXISTS (SELECT FROM broken) THEN RAISE 'stopped'; END IF;
        INSERT INTO done VALUES (piece) ON CONFLICT DO NOTHING;
        COMMIT;
    END LOOP;
END $$;
"""


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    (tmp_path / "0001_pre_table.sql").write_text(
        "CREATE TABLE done (piece integer PRIMARY KEY); CREATE TABLE broken (); CREATE TABLE kept (id integer)"
    )
    (tmp_path / "0002_pre_pieces.sql").write_text(PIECES)
    return tmp_path


def test_a_file_that_commits_by_itself_keeps_its_pieces_and_is_run_again(connect, pieces: Path) -> None:
    with connect() as connection:
        connection.execute("SET statement_timeout = '9s'")
        connection.execute("SET lock_timeout = '8s'")
        (pieces / "0002_pre_pieces.sql").rename(pieces / "0003_pre_pieces.sql")
        (pieces / "0002_pre_break.sql").write_text("INSERT INTO broken DEFAULT VALUES")
        with pytest.raises(psycopg.errors.RaiseException, match="stopped"):
            migrate(connection, pieces)
        assert pending(connection, pieces) == ["0003_pre_pieces.sql"]
        assert connection.execute("SELECT piece FROM done ORDER BY 1").fetchall() == [(1,), (2,)]
        connection.execute("DELETE FROM broken")
        assert migrate(connection, pieces) == ["0003_pre_pieces.sql"]
        assert connection.execute("SELECT piece FROM done ORDER BY 1").fetchall() == [(1,), (2,), (3,)]
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        assert connection.execute(held).fetchone() == (0,)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("9s",)
        assert connection.execute("SHOW lock_timeout").fetchone() == ("8s",)


def test_eight_at_once_apply_a_file_that_commits_by_itself_once(connect, pieces: Path) -> None:
    def start(_: int) -> list[str]:
        with connect() as connection:
            return migrate(connection, pieces)

    with ThreadPoolExecutor(8) as pool:
        applied = [file for files in pool.map(start, range(8)) for file in files]
    assert sorted(applied) == ["0001_pre_table.sql", "0002_pre_pieces.sql"]


@pytest.mark.parametrize("first_line", ["", "-- commits by itself\n"])
def test_a_table_in_use_is_waited_for_again_and_again_and_never_for_long(
    connect, pieces: Path, monkeypatch, first_line: str
) -> None:
    monkeypatch.setattr("infra.tables.migrate._DDL_LOCK_TIMEOUT", "20ms")
    with connect() as reader, connect() as connection, ExitStack() as reading:
        migrate(connection, pieces)
        (pieces / "0003_pre_alter.sql").write_text(f"{first_line}ALTER TABLE kept ADD COLUMN name text")
        reading.enter_context(reader.transaction())
        reader.execute("SELECT FROM kept")
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                reading.close()

        assert migrate(connection, pieces, sleep) == ["0003_pre_alter.sql"]
        assert len(waited) == 3


def test_a_table_that_stays_in_use_is_given_up_in_the_end(connect, pieces: Path, monkeypatch) -> None:
    monkeypatch.setattr("infra.tables.migrate._DDL_LOCK_TIMEOUT", "1ms")
    with connect() as reader, connect() as connection:
        migrate(connection, pieces)
        (pieces / "0003_pre_alter.sql").write_text("ALTER TABLE kept ADD COLUMN name text")
        waited: list[float] = []
        with reader.transaction():
            reader.execute("SELECT FROM kept")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                migrate(connection, pieces, waited.append)
        assert len(waited) == 59
        assert migrate(connection, pieces) == ["0003_pre_alter.sql"]
