import msgspec
import pytest

WORD = "林小满"
PLANT = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', %(number)s, '1', 'pull', 'bulk', 'x') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', %(number)s, id, 'x', 'normal', 'shelf', 'none', 'CNY', 5, 0, 0, 0, 5, 5,
        false, false, now(), now(), 'b', '', '', 0, now() FROM raw RETURNING id
), received AS (
    INSERT INTO receiver SELECT id, '林小满', '13800000001', '', '', '', '', '', '', 'plain', '' FROM made
)
INSERT INTO fulfillment_order (order_id, state, lane, finished_at, closed_reason)
SELECT id, %(state)s, 'bulk', CASE WHEN %(state)s = 'closed' THEN now() END, CASE WHEN %(state)s = 'closed' THEN 'x' END
FROM made
"""


@pytest.fixture
def planted(database, database_url, redis_url, monkeypatch):
    """An order that has ended, 4001, and one under way, 4002."""
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    with database.connection() as connection:
        connection.execute(PLANT, {"number": "4001", "state": "closed"})
        connection.execute(PLANT, {"number": "4002", "state": "paid"})


def receivers(database):
    with database.connection() as connection:
        return [row[0] for row in connection.execute("SELECT name FROM receiver ORDER BY order_id")]


def test_by_order_and_the_record_is_shown_again(orderlane, planted, database):
    done = orderlane("erase", "4001", "--reason", "asked by mail")
    assert done.exit_code == 0, done.output
    assert "taobao/s1/4001  erased" in done.output
    assert WORD not in done.output
    assert receivers(database) == ["", WORD]
    shown = orderlane("erase", "show", "1")
    assert shown.exit_code == 0
    assert shown.output.splitlines()[-3:] == done.output.splitlines()[-3:]
    record = msgspec.json.decode(orderlane("erase", "show", "1", "--json").output)
    assert record["orders"][0]["rows"] == {"orders": 1, "raw_payload": 1, "receiver": 1}
    assert "1 orders  done" in orderlane("erase", "list").output
    assert orderlane("erase", "list", "--open").output == ""


def test_an_order_under_way_is_refused_or_waits(orderlane, planted, database):
    refused = orderlane("erase", "taobao/s1/4002", "--reason", "asked by mail")
    assert refused.exit_code == 5
    assert "stop it first" in refused.stderr
    waits = orderlane("erase", "taobao/s1/4002", "--reason", "asked by mail", "--when-ended")
    assert waits.exit_code == 3
    assert "owner service, due" in waits.output
    assert receivers(database) == [WORD, WORD]
    assert "1 wait, due" in orderlane("erase", "list", "--open").output


def test_by_words_from_standard_input(orderlane, planted, database):
    preview = orderlane("erase", "--search", "-", "--dry-run", stdin=f"{WORD}\n")
    assert preview.exit_code == 0, preview.output
    assert "would erase the person of taobao/s1/4001" in preview.output
    assert "in the way: taobao/s1/4002 is paid" in preview.output
    assert receivers(database) == [WORD, WORD]
    done = orderlane("erase", "--search", "-", "--when-ended", "--reason", "asked by mail", stdin=f"\n{WORD}\n")
    assert done.exit_code == 3
    assert receivers(database) == ["", WORD]
    assert WORD not in preview.output + done.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["erase"], 2),
        (["erase", "--reason", "r"], 2),
        (["erase", "4001"], 2),
        (["erase", "nobody", "--reason", "r"], 1),
        (["erase", "show", "0"], 2),
        (["erase", "show", "99"], 2),
        (["erase", "show", "9" * 40], 2),
        (["erase", "--search", "no-such-file", "--reason", "r"], 2),
    ],
)
def test_odd_arguments(orderlane, planted, database, arguments, code):
    done = orderlane(*arguments)
    assert done.exit_code == code
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert receivers(database) == [WORD, WORD]


def test_words_that_are_no_text_are_refused(orderlane, planted, tmp_path, database):
    (tmp_path / "words").write_bytes(b"\xff\xfe\x00")
    done = orderlane("erase", "--search", tmp_path / "words", "--reason", "r")
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)


def test_a_restored_backup_is_erased_again_and_what_is_not_in_it_never_comes_in(orderlane, planted, database, tmp_path):
    orderlane("erase", "4001", "--reason", "asked by mail")
    listed = orderlane("erase", "export").output
    assert listed == "taobao/s1/4001\n"
    # The backup knows of no erasure: the order is there again, and one that came later is not.
    with database.connection() as connection:
        connection.execute("TRUNCATE erasure, erasure_order, tombstone")
        connection.execute("UPDATE receiver SET name = %s", [WORD])
    (tmp_path / "erased").write_text(f"{listed}taobao/s1/4009\n")
    done = orderlane("erase", "again", tmp_path / "erased", "--reason", "restored the backup of 1 May")
    assert done.exit_code == 0, done.output
    assert "1 orders are not here" in done.output
    assert receivers(database) == ["", WORD]
    with database.connection() as connection:
        stones = connection.execute("SELECT platform_order_id, end_state FROM tombstone ORDER BY 1").fetchall()
    assert stones == [("4001", "closed"), ("4009", "unknown")]
    # The next list holds both, so that a second restored backup is treated alike.
    assert orderlane("erase", "export").output == "taobao/s1/4001\ntaobao/s1/4009\n"
    assert orderlane("erase", "again", tmp_path / "erased", "--reason", "once more").exit_code == 0


def test_names_that_are_none_are_refused(orderlane, planted, tmp_path):
    (tmp_path / "erased").write_text("4001\n")
    assert orderlane("erase", "again", tmp_path / "erased", "--reason", "r").exit_code == 2
