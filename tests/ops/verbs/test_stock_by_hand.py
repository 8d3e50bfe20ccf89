"""Stock that people count: every row is looked at before anything is written, and promises are kept."""

import pytest

from domain.errors import Refused
from domain.recount import PIECES_MAX
from infra.engine.author import Author
from ops.verbs.stock_by_hand import read_pieces, read_stock, set_stock

ME = Author("me", "counted")


@pytest.fixture
def located(database):
    with database.transaction() as tx:
        tx.execute("INSERT INTO location (name) VALUES ('workshop')")
    return database


def figures(db):
    with db.connection() as connection:
        rows = connection.execute(
            "SELECT l.sku, l.on_hand, p.on_hand FROM stock_location AS l JOIN stock_pool AS p USING (sku) ORDER BY sku"
        )
        return rows.fetchall()


def test_a_count_is_taken_over_and_signed(located):
    assert set_stock(located, "workshop", {"TEE": 5, "MUG": 2}, ME).new == {"TEE": 5, "MUG": 2}
    assert set_stock(located, "workshop", {"TEE": 7}, ME).raised == {"TEE": 2}
    assert set_stock(located, "workshop", {"TEE": 6}, ME).lowered == {"TEE": 1}
    assert figures(located) == [("MUG", 2, 2), ("TEE", 6, 6)]
    with located.connection() as connection:
        signed = connection.execute("SELECT who, reason, object FROM audit").fetchall()
    assert signed == [("me", "counted", "location/workshop")] * 3


def test_a_count_below_what_is_promised_is_refused(located):
    set_stock(located, "workshop", {"TEE": 5}, ME)
    with located.transaction() as tx:
        tx.execute("UPDATE stock_pool SET reserved = 4")
    assert set_stock(located, "workshop", {"TEE": 3}, ME).refused == {"TEE": (5, 3)}
    assert figures(located) == [("TEE", 5, 5)]


def test_a_file_is_read_with_blank_lines_and_a_mark_at_its_beginning():
    assert read_stock("\ufeffSKU,Pieces\nTEE, 5\n\n茶杯,0\n".encode()) == {"TEE": 5, "茶杯": 0}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"sku,count\nTEE,1\n", "header_missing"),
        (b"sku,pieces\nTEE\n", "columns"),
        (b"sku,pieces\nTEE,x\n", "row"),
        (b"sku,pieces\n,1\n", "row"),
        (b"sku,pieces\nTEE,1\nTEE,2\n", "sku_repeated"),
        (b'sku,pieces\n"TEE,1\n', "no_csv"),
        (b"sku,pieces\n\xff,1\n", "not_utf_8"),
        (b"sku,pieces\nTEE\0,1\n", "nul_character"),
        (b"x" * (4 * 1024 * 1024 + 1), "too_large"),
    ],
)
def test_a_file_with_a_fault_is_not_used_at_all(body, fault):
    with pytest.raises(Refused) as refused:
        read_stock(body)
    assert (refused.value.code, refused.value.facts["fault"]) == ("file_unreadable", fault)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "x", "٣", str(PIECES_MAX + 1), "9" * 40])
def test_what_is_no_number_of_pieces_is_refused(text):
    with pytest.raises(Refused, match="pieces_malformed"):
        read_pieces(text)
