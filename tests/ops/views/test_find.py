import pytest

from domain.errors import Conflict, Poison, Refused, Transient
from ops.faces.terminal.words import WORDS
from ops.views.find import find, why_missing

INSERT_RAW = """
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
VALUES (%s, %s, %s, %s, 'pull', 'bulk', '') RETURNING id
"""


@pytest.fixture
def ids_for(played):
    def ask(text):
        with played.db.transaction() as tx:
            return [match.id for match in find(tx, text)]

    return ask


@pytest.fixture
def shipped_id(played):
    return played.ids("packed")[0]


def test_an_order_is_found_by_every_id_it_has(played, shipped_id, ids_for) -> None:
    key = played.order(shipped_id).key
    with played.db.connection() as connection:
        (waybill,) = connection.execute(
            "SELECT s.waybill FROM shipment s JOIN package p ON p.id = s.package_id"
            " JOIN fulfillment_order f ON f.id = p.fulfillment_order_id WHERE f.order_id = %s",
            [shipped_id],
        ).fetchone()
    for text in (
        f"{shipped_id}",
        key.platform_order_id,
        f"{key.shop}/{key.platform_order_id}",
        f"{key.platform}/{key.shop}/{key.platform_order_id}",
        waybill,
        f"  {waybill} ",
    ):
        assert ids_for(text) == [shipped_id], text


@pytest.mark.parametrize(
    "text", ["", "nothing", "no/thing", "/", "9" * 40, "-1", "٣", "bad\ud800", "a\nb", "%", "' OR 1=1"]
)
def test_what_is_no_id_finds_nothing(ids_for, text) -> None:
    assert ids_for(text) == []


def test_another_shop_or_platform_is_not_this_order(played, shipped_id, ids_for) -> None:
    key = played.order(shipped_id).key
    assert ids_for(f"other/{key.platform_order_id}") == []
    assert ids_for(f"other/{key.shop}/{key.platform_order_id}") == []


def test_one_id_in_two_shops_means_both_until_the_shop_is_named(played, shipped_id, ids_for) -> None:
    key = played.order(shipped_id).key
    with played.db.connection() as connection:
        # As an order that came over another platform and bears the same id in a shop of the same name.
        connection.execute("CREATE TABLE twin AS SELECT * FROM orders WHERE id = %s", [shipped_id])
        connection.execute("UPDATE twin SET platform = 'elsewhere'")
        (twin,) = connection.execute(
            "INSERT INTO orders OVERRIDING SYSTEM VALUE SELECT * FROM (SELECT (jsonb_populate_record(t,"
            " jsonb_build_object('id', 900001))).* FROM twin AS t) AS copy RETURNING id"
        ).fetchone()
    try:
        assert ids_for(key.platform_order_id) == [shipped_id, twin]
        assert ids_for(f"{key.shop}/{key.platform_order_id}") == [shipped_id, twin]
        assert ids_for(f"elsewhere/{key.shop}/{key.platform_order_id}") == [twin]
    finally:
        with played.db.transaction() as tx:
            tx.execute("DELETE FROM orders WHERE id = %s", [twin])
            tx.execute("DROP TABLE twin")


@pytest.fixture
def why(database):
    def ask(text):
        with database.transaction() as tx:
            return why_missing(tx, text)

    return ask


def test_an_unknown_id_is_refused(why) -> None:
    error = why("nothing")
    assert isinstance(error, Refused)
    assert error.code == "order_unknown"
    assert isinstance(why("bad\ud800"), Refused)


def test_a_payload_that_waits_says_so(database, why) -> None:
    with database.connection() as connection:
        connection.execute(INSERT_RAW, ["taobao", "main", "77", b"1"])
    error = why("main/77")
    assert isinstance(error, Conflict)
    assert error.code == "order_not_normalized"


def test_a_payload_that_was_forgotten_waits_for_nobody(database, why) -> None:
    with database.connection() as connection:
        connection.execute(INSERT_RAW, ["taobao", "main", "77", b""])
        connection.execute(
            "INSERT INTO tombstone (platform, shop, platform_order_id, cause, end_state)"
            " VALUES ('taobao', 'main', '77', 'erased', 'unread')"
        )
    error = why("main/77")
    assert isinstance(error, Refused)
    assert error.code == "order_forgotten"
    assert "never became an order, and was erased at" in WORDS.refusal(error)


def test_a_quarantined_payload_says_why(database, why) -> None:
    with database.connection() as connection:
        (raw_id,) = connection.execute(INSERT_RAW, ["taobao", "main", "77", b"1"]).fetchone()
        (letter,) = connection.execute(
            "INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes,"
            " owner, due_at) VALUES ('normalize', %s, 'bulk', '', 'field_missing', 'f',"
            """ '[{"message": "trade.payment is missing"}]', 1, 0, 'engineering', now()) RETURNING id""",
            [raw_id],
        ).fetchone()
    error = why("77")
    assert isinstance(error, Poison)
    assert "taobao/main/77" in WORDS.refusal(error)
    assert f"field_missing: trade.payment is missing (dead letter {letter})" in WORDS.refusal(error)


def test_an_order_that_could_not_be_fetched_says_so(database, why) -> None:
    with database.connection() as connection:
        (shop,) = connection.execute("INSERT INTO shop (account) VALUES ('taobao/main') RETURNING id").fetchone()
        connection.execute(
            "INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error, tries)"
            " VALUES (%s, '77', now(), 'http_503', 4)",
            [shop],
        )
    error = why("77")
    assert isinstance(error, Transient)
    assert "failed 4 times, last with http_503" in WORDS.refusal(error)


def test_what_a_shut_gate_kept_from_being_fetched_was_not_tried(why, database) -> None:
    with database.connection() as connection:
        connection.execute(
            "WITH s AS (INSERT INTO shop (account) VALUES ('taobao/main') RETURNING id)"
            " INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error, tries)"
            " SELECT id, '78', now(), 'gate_shut', 0 FROM s"
        )
    assert "it was not tried yet (gate_shut)" in WORDS.refusal(why("78"))
