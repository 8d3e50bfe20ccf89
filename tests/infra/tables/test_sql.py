from pathlib import Path

import pytest

from domain.errors import Misconfigured
from infra.tables.pool import Database
from infra.tables.sql import FOLDER, load

GOOD = """-- Queries of a test.

-- name: add
-- What it is for.
--
-- And why.
SELECT %(left)s::int
  -- an inner remark
  + %(right)s::int;

-- name: answer
SELECT 42
"""


def write(folder: Path, text: str) -> Path:
    (folder / "sums.sql").write_text(text)
    return folder


def refused(folder: Path, text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load("sums", write(folder, text))
    return caught.value.code


def test_queries_are_found_by_name_and_run(tmp_path: Path, database: Database) -> None:
    queries = load("sums", write(tmp_path, GOOD))
    assert sorted(queries) == ["add", "answer"]
    assert len(queries) == 2
    with database.connection() as connection:
        assert connection.execute(queries["add"], {"left": 1, "right": 2}).fetchone() == (3,)
        assert connection.execute(queries["answer"]).fetchone() == (42,)


def test_a_query_carries_its_name_and_no_description(tmp_path: Path) -> None:
    query = load("sums", write(tmp_path, GOOD))["add"]
    assert query.startswith(b"/* sums.add */ SELECT")
    assert b"What it is for" not in query
    assert not query.endswith(b";")


def test_a_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert load("sums", tmp_path) is load("sums", tmp_path)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "query_repeated"),
        ("SELECT 1;\n-- name: a\nSELECT 2;", "query_unnamed"),
        ("-- name:\nSELECT 1;", "query_misnamed"),
        ("-- name: two words\nSELECT 1;", "query_misnamed"),
        ("-- name: a\n-- only words", "query_not_single"),
        ("-- name: a\nSELECT 1;\nSELECT 2;", "query_not_single"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, code: str) -> None:
    assert refused(tmp_path, text) == code


def test_unknown_files_and_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="queries_missing"):
        load("nothing", tmp_path)
    with pytest.raises(Misconfigured, match="query_unknown"):
        load("sums", write(tmp_path, GOOD))["substract"]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.sql")), ids=lambda file: file.stem)
def test_our_own_files_are_well_formed(file: Path) -> None:
    assert load(file.stem)
