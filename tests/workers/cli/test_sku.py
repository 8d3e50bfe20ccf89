"""``orderlane sku``: the listing map by hand and by file. What is wrong with a file is named; none of it is used."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actors.orders.waiting_for_skus import STRETCH, WaitingForSkus
from infra.process.failpoints import ENVIRONMENT_KEY, LISTING_POINTS
from ops.verbs.listings_file import BYTES_MAX
from workers.cli.exits import Exit

SETTINGS = """
[[shops]]
name = "s1"
platform = "taobao"
endpoint = "http://localhost:1"
credentials = { app_key = "file:key", app_secret = "file:key", session = "file:key" }
"""
PLANT = (Path(__file__).parents[2] / "infra/tables/waiting_orders.sql").read_bytes()
HEADER = "shop,product,variant,sku\n"
WAITING = 3 * STRETCH


@pytest.fixture(autouse=True)
def _configured(monkeypatch, tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text(SETTINGS)
    (tmp_path / "key").write_text("key")
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


@pytest.fixture
def rows(database):
    def rows(query):
        with database.connection() as connection:
            return connection.execute(query).fetchall()

    return rows


@pytest.fixture
def waiting(database):
    """Orders that wait for the SKU of the listing `cup`."""

    def plant(count):
        with database.connection() as connection:
            connection.execute(PLANT, {"orders": count, "waiting": count})
            connection.execute("INSERT INTO stock_pool (sku, on_hand) VALUES ('TEE-1', 0), ('CUP-1', 0)")

    return plant


def entries(rows):
    return rows("SELECT shop, product_id, platform_sku, sku FROM listing_sku ORDER BY product_id, platform_sku")


def test_a_listing_is_seen_mapped_and_its_orders_go_on(orderlane, waiting, rows):
    waiting(2)
    shown = orderlane("sku", "list", "--unmapped")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == "2 orders  taobao/s1 cup  no SKU  x\n1 listings without a SKU, 2 orders wait\n"
    mapped = orderlane("sku", "map", "taobao/s1", "cup", "CUP-1", "--reason", "seen on the shelf")
    assert (mapped.exit_code, mapped.stdout) == (0, "added 1, changed 0, as before 0\n2 orders go on\n"), mapped.output
    assert rows("SELECT count(*) FROM work WHERE step = 'reserve'") == [(2,)]
    assert rows("SELECT verb, object, reason, before, after FROM audit") == [
        ("listing_mapped", "listing/taobao/s1/cup", "seen on the shelf", None, {"sku": "CUP-1"})
    ]
    found = json.loads(orderlane("sku", "list", "--unmapped", "--json").stdout)
    assert found == {"listings": [], "total": 0, "orders": 0}


def test_the_map_is_listed_and_a_row_taken_out(orderlane, rows):
    orderlane("sku", "map", "taobao/s1", "p1", "A")
    orderlane("sku", "map", "taobao/s1", "p1", "--variant", "v1", "--nothing")
    shown = orderlane("sku", "list").stdout
    assert "taobao/s1 p1  A (unknown to stock)  (" in shown
    assert "taobao/s1 p1 --variant v1  nothing to pick  (" in shown
    first, second = json.loads(orderlane("sku", "list", "--json").stdout)["entries"]
    assert (first["sku"], first["is_known"], second["sku"], second["variant"]) == ("A", False, None, "v1")
    assert "p1 --variant" in orderlane("sku", "list", "--after", "taobao/s1/p1").stdout
    gone = orderlane("sku", "unmap", "taobao/s1", "p1", "--variant", "v1")
    assert (gone.exit_code, gone.stdout) == (0, "unmapped; it was nothing to pick\n")
    assert orderlane("sku", "unmap", "taobao/s1", "p1", "--variant", "v1").exit_code == Exit.REFUSED
    assert entries(rows) == [("s1", "p1", "", "A")]


def test_a_sku_that_stock_does_not_know_is_said(orderlane, waiting):
    waiting(1)
    mapped = orderlane("sku", "map", "taobao/s1", "cup", "TYPO").stdout
    assert "stock does not know TYPO: orders wait until it is counted\n0 orders go on\n" in mapped


@pytest.mark.parametrize(
    "arguments",
    [
        ["map", "taobao/other", "p1", "A"],
        ["map", "s1", "p1", "A"],
        ["map", "taobao/s1", "p1"],
        ["map", "taobao/s1", "p1", "A", "--nothing"],
        ["map", "taobao/s1", "p1", "-"],
        ["map", "taobao/s1", "", "A"],
        ["map", "taobao/s1", "p1", ""],
        ["map", "taobao/s1", "p1", " A"],
        ["map", "taobao/s1", "p1", "x" * 201],
        ["map", "taobao/s1", "p1", "A", "--variant", ""],
        ["unmap", "taobao/other", "p1"],
        ["list", "--after", "p1"],
        ["list", "--unmapped", "--after", "taobao/s1/p1"],
        ["import", "missing.csv"],
    ],
)
def test_what_cannot_be_meant_is_a_matter_of_usage(orderlane, rows, arguments):
    result = orderlane("sku", *arguments)
    assert result.exit_code == Exit.USAGE, result.output
    assert entries(rows) == []


@pytest.fixture
def write(tmp_path):
    def write(content):
        (tmp_path / "map.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return "map.csv"

    return write


FILE = f"{HEADER}taobao/s1,cup,,CUP-1\r\n\ntaobao/s1,p2,v1,-\n"


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_a_file_is_read_whole_and_rows_that_it_does_not_name_stay(orderlane, waiting, rows, write, start):
    waiting(3)
    orderlane("sku", "map", "taobao/s1", "kept", "K")
    tried = orderlane("sku", "import", write(start + FILE), "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert tried.stdout == "would be added 2, changed 0, as before 0\n3 orders wait for these listings\n"
    assert entries(rows) == [("s1", "kept", "", "K")]
    done = json.loads(orderlane("sku", "import", write(start + FILE), "--json").stdout)
    assert done == {"added": 2, "changed": 0, "same": 0, "unknown": [], "waiting": 3, "going": 3}
    assert entries(rows) == [("s1", "cup", "", "CUP-1"), ("s1", "kept", "", "K"), ("s1", "p2", "v1", "")]
    again = json.loads(orderlane("sku", "import", write(FILE), "--json").stdout)
    assert (again["same"], again["going"]) == (2, 0)


def test_a_file_comes_from_standard_input_too(orderlane, rows):
    assert orderlane("sku", "import", "-", stdin=FILE).exit_code == 0
    assert len(entries(rows)) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("taobao/other,p1,,A", "line 4: shops are: taobao/s1"),
        ("taobao/s1,p1,,", "line 4: the SKU is empty"),
        ("taobao/s1,,,A", "line 4: the product is empty"),
        ("taobao/s1,p1,A", "line 4: 3 columns instead of 4"),
        ("taobao/s1,p1,,A,", "line 4: 5 columns instead of 4"),
        ("taobao/s1,6E+11,,A", "line 4: a spreadsheet has rounded the product (6E+11): format its column as text"),
        ("taobao/s1,p1,5.0E+09,A", "line 4: a spreadsheet has rounded the variant"),
        ("taobao/s1,p1,,A\u202eB", "line 4: the SKU holds control characters"),
        (f"taobao/s1,p1,,{'x' * 201}", "line 4: the SKU is longer than 200 characters"),
        ("taobao/s1,good,,B", "line 4: line 2 is about the same listing"),
        ("taobao/s1,good,,A", "line 4: line 2 is about the same listing"),
        ('taobao/s1,"p\n1",,A', "line 5: the product holds control characters"),
    ],
)
def test_a_row_that_is_wrong_is_named_and_nothing_is_done(orderlane, rows, write, row, message):
    file = write(f"{HEADER}taobao/s1,good,,A\n\n{row}\ntaobao/s1,good2,,A\n")
    result = orderlane("sku", "import", file)
    assert result.exit_code == Exit.USAGE, result.output
    assert result.stderr.startswith(message), result.stderr
    assert "nothing was changed: 1 of the rows" in result.stderr
    as_json = json.loads(orderlane("sku", "import", file, "--json").stdout)
    assert (as_json["errors_total"], len(as_json["errors"])) == (1, 1)
    assert entries(rows) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line must be: shop,product,variant,sku"),
        (b"shop;product;variant;sku\n", "the first line must be"),
        (b"product,sku\np1,A\n", "the first line must be"),
        (b"taobao/s1,p1,,A\n", "the first line must be"),
        (b"\xff", "line 1 is not UTF-8"),
        (bytes(range(256)) * 100, "line 2 is not UTF-8"),
        (HEADER.encode() + "taobao/s1,货号,,A".encode("gbk"), "line 2 is not UTF-8: save the file as CSV UTF-8"),
        (HEADER.encode() + b"taobao/s1,p\x001,,A\n", "line 2 holds a NUL character"),
        (HEADER.encode("utf-16"), "line 1 is not UTF-8"),
        (b"PK\x03\x04" + b"\x00" * 100, "line 1 holds a NUL character"),
        (HEADER.encode() + b'taobao/s1,"p1,,A\n', "is no CSV"),
        (HEADER.encode() + b"x" * 200_000, "is no CSV"),
        (HEADER.encode() * (BYTES_MAX // len(HEADER) + 1), "the file is larger than 8 MiB"),
        (HEADER.encode() + b"taobao/s1,p1,,A\n" * 50_001, "more than 50000 rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_what_is_no_such_file_is_said_in_a_sentence(orderlane, rows, write, content, message):
    result = orderlane("sku", "import", write(content))
    assert result.exit_code == Exit.USAGE, result.output
    assert "Traceback" not in result.output
    assert message in result.stderr, result.stderr
    assert entries(rows) == []


def test_of_many_errors_the_first_are_named_and_the_others_counted(orderlane, write):
    result = orderlane("sku", "import", write(HEADER + "x,p1,,A\n" * 150))
    assert "line 21: " in result.stderr
    assert "line 22: " not in result.stderr
    assert "and 130 more\nnothing was changed: 150 of the rows are wrong\n" in result.stderr


def test_an_empty_map_and_an_empty_file_say_so(orderlane, write):
    assert orderlane("sku", "list").stdout == "the map is empty\n"
    assert orderlane("sku", "import", write(HEADER)).stdout.startswith("added 0, changed 0, as before 0\n")


def test_a_line_that_a_person_lets_go_is_named(orderlane, waiting, rows):
    waiting(1)
    release = ("order", "release", "taobao/s1/1", "--code", "sku_unmapped", "--reason", "no cups left")
    result = orderlane(*release)
    said = "sku_unmapped released without 2, which are not shipped; the order is paid, reserve due now\n"
    assert (result.exit_code, result.stdout) == (0, said), result.output
    assert rows("SELECT line_id, fulfilled_by FROM order_line ORDER BY line_id") == [("1", "merchant"), ("2", "nobody")]
    assert orderlane(*release).exit_code == Exit.REFUSED


def test_an_order_without_any_other_line_is_not_left_out(orderlane, waiting, rows):
    waiting(1)
    rows("UPDATE order_line SET sku = '' WHERE line_id = '1' RETURNING 1")
    result = orderlane("order", "release", "taobao/s1/1", "--code", "sku_unmapped", "--reason", "x")
    assert result.exit_code == Exit.REFUSED
    assert "nothing_left" in result.stderr


def until_rolled_back(rows):
    """Wait until Postgres has let go of what the killed command had locked: the duty skips locked orders."""
    deadline = time.monotonic() + 30
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
    while rows(busy) != [(0,)]:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("point", [None, *LISTING_POINTS])
def test_a_command_that_is_killed_anywhere_leaves_nothing_that_the_sweeper_does_not_end(
    waiting, rows, database, tmp_path, point
):
    waiting(WAITING)
    armed = [{"at": point, "do": "kill"}] if point else []
    command = [sys.executable, "-m", "workers.main", "sku", "map", "taobao/s1", "cup", "CUP-1"]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, ENVIRONMENT_KEY: json.dumps(armed)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == (-signal.SIGKILL if point else 0), ended.stderr
    expected = {None: WAITING, "listings.mapped": 0, "listings.written": 0, "listings.committed": STRETCH}
    due = "SELECT count(*) FROM work WHERE step = 'reserve'"
    assert (entries(rows), rows(due)) == ([("s1", "cup", "", "CUP-1")], [(expected[point],)])
    until_rolled_back(rows)
    duty = WaitingForSkus(database)
    for _ in range(WAITING // STRETCH + 1):
        duty.run()
    assert rows(due) == [(WAITING,)]
    assert rows("SELECT count(*) FROM order_line WHERE sku = ''") == [(0,)]
