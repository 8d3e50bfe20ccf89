import pytest

from ops.doctor import backlog
from ops.doctor.check import Level


@pytest.fixture
def look(database):
    def at(*statements: str):
        with database.connection() as session:
            for statement in statements:
                session.execute(statement)
            return {check.name: check for check in backlog.all_checks(session)}

    return at


ORDER = """
WITH r AS (INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
           VALUES ('p', 's', '1', '', 'pull', 'bulk', '') RETURNING id),
o AS (INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
      SELECT 'p', 's', '1', id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false, false, now(),
             now(), '', '', '', 0, now() FROM r RETURNING id),
f AS (INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'paid', 'bulk' FROM o RETURNING id)
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
SELECT id, 'amount_mismatch', 'review', 'finance', now() + make_interval(hours => {hours}) FROM f
"""


def test_an_empty_house_is_in_order(look) -> None:
    assert {check.level for check in look().values()} == {Level.OK}


def test_work_that_nobody_takes_up_is_overdue(look) -> None:
    late = "INSERT INTO work (step, subject_id, lane, due_at) VALUES ('label', 1, 'p0', now() - interval '5 minutes')"
    fresh = "INSERT INTO work (step, subject_id, lane, due_at) VALUES ('label', 2, 'p0', now() - interval '5 seconds')"
    taken = (
        "INSERT INTO work (step, subject_id, lane, due_at, lease_token, lease_until)"
        " VALUES ('label', 3, 'p0', now() - interval '5 minutes', gen_random_uuid(), now())"
    )
    check = look(late, fresh, taken)["work"]
    assert check.level is Level.WARN
    assert check.message.startswith("1 overdue, the oldest by 300 s (label 1)")


def test_gaps_of_a_shop_are_named(look) -> None:
    check = look(
        "INSERT INTO shop (account) VALUES ('taobao/main')",
        "INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error, tries)"
        " SELECT id, '1', now(), 'x', 3 FROM shop",
    )["pull"]
    assert check.level is Level.WARN
    assert "taobao/main 1 (up to 3 tries)" in check.message


@pytest.mark.parametrize(("hours", "level"), [(-1, Level.WARN), (1, Level.OK)])
def test_holds_count_once_they_are_past_their_time(look, hours, level) -> None:
    assert look(ORDER.format(hours=hours))["holds"].level is level


def test_open_dead_letters_are_counted(look) -> None:
    letter = (
        "INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes, owner,"
        " due_at, closed_at) VALUES ('label', {}, 'p0', '', 'x', 'f', '[]', 1, 0, 'engineering', now(), {})"
    )
    check = look(letter.format(1, "NULL"), letter.format(2, "now()"))["dead letters"]
    assert check.message == "1 open"
