from pathlib import Path

import pytest

from infra.config.settings import Shop
from ops.doctor import backlog
from ops.doctor.check import Level

WITHOUT_SKU = (Path(__file__).parents[2] / "infra/tables/waiting_orders.sql").read_bytes()
MAIN = Shop(name="main", platform="taobao", endpoint="", credentials={})


@pytest.fixture
def look(database):
    def at(*statements: str):
        with database.connection() as session:
            for statement in statements:
                session.execute(statement)
            return {check.name: check for check in backlog.all_checks(session, [MAIN])}

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
        " SELECT id, n::text, now(), 'x', 3 FROM shop, generate_series(1, 7) AS n",
    )["pull"]
    assert check.level is Level.WARN
    assert check.message.startswith("7 listed but not fetched: taobao/main/1 (x, 3 tries, for 0 min), taobao/main/2")
    assert check.message.endswith("taobao/main/5 (x, 3 tries, for 0 min) and 2 more")


FOUND_LATE = """INSERT INTO shop (account, found_late, found_late_at)
                VALUES ('taobao/main', 3, now() - interval '{} hours')"""


BEHIND = """INSERT INTO shop (account, cursor_at, settled_at)
            VALUES ('taobao/main', now(), now() - interval '{} hours')"""


@pytest.mark.parametrize(("hours", "level"), [(23, Level.OK), (25, Level.WARN)])
def test_a_second_reading_that_is_a_day_behind_is_named(look, hours, level) -> None:
    check = look(BEHIND.format(hours))["late"]
    assert check.level is level
    assert ("taobao/main by 25 h" in check.message) is (level is Level.WARN)


@pytest.mark.parametrize(("hours", "level"), [(1, Level.WARN), (25, Level.OK)])
def test_changes_that_only_the_second_reading_found_are_named(look, hours, level) -> None:
    assert look()["late"].level is Level.OK
    check = look(FOUND_LATE.format(hours))["late"]
    assert check.level is level
    assert "taobao/main 3 (last " in check.message


def test_entries_that_could_not_be_read_are_counted_by_account(look) -> None:
    check = look(
        """INSERT INTO unreadable_entry (source, account, position, code, field, owner, due_at, closed_at, closed_by)
           VALUES ('scan', 'warehouse/east', 3, 'field_invalid', 'events[3].at', 'warehouse', now(), NULL, NULL),
                  ('scan', 'warehouse/east', 4, 'field_invalid', 'events[4].at', 'warehouse', now(), NULL, NULL),
                  ('scan', 'warehouse/east', 5, 'field_invalid', 'events[5].at', 'warehouse', now(), now(), 'mei'),
                  ('stock', 'warehouse/west', 0, 'field_invalid', 'stock[0].sku', 'warehouse', now(), NULL, NULL)"""
    )["unreadable"]
    assert check.level is Level.WARN
    assert check.message == "3 open: warehouse/east 2 scans, warehouse/west 1 stock rows"
    assert "orderlane entry list" in check.advice


SHOP = """WITH s AS (INSERT INTO shop (account, created_at, read_at)
                     VALUES ('taobao/main', now() - interval '9 hours', now() - interval '{} hours') RETURNING id)
          INSERT INTO work (step, subject_id, lane, account) SELECT 'pull', id, 'p1', 'taobao/main' FROM s"""
LOCATION = """
WITH l AS (INSERT INTO location (name, created_at) VALUES ('east', now() - interval '9 hours') RETURNING id)
INSERT INTO work (step, subject_id, lane, account) SELECT 'warehouse', id, 'p1', 'warehouse/east' FROM l
"""
PAUSE = "INSERT INTO gate (kind, name, reason, shut_by) VALUES ('account', 'taobao/main', 'stocktaking', 'mei')"
GIVEN_UP = "UPDATE pull_gap SET is_given_up = true"


def test_a_feed_that_could_not_be_read_for_long_is_named(look) -> None:
    assert look(SHOP.format(0))["feeds"].level is Level.OK
    check = look("UPDATE shop SET read_at = now() - interval '3 hours'", LOCATION)["feeds"]
    assert check.level is Level.WARN
    assert check.message == "could not be read: taobao/main for 3 h, warehouse/east for 9 h"


def test_a_shop_that_somebody_paused_is_not_silent(look) -> None:
    assert look(SHOP.format(3), PAUSE)["feeds"].level is Level.OK
    assert look("UPDATE gate SET until = now() - interval '1 second'")["feeds"].level is Level.WARN


def test_a_shop_whose_cursor_is_old_is_named_although_it_is_read(look) -> None:
    assert (
        look(SHOP.format(0), "UPDATE shop SET cursor_at = now() - interval '15 minutes'")["cursors"].level is Level.OK
    )
    check = look("UPDATE shop SET cursor_at = now() - interval '31 minutes'")["cursors"]
    assert check.level is Level.WARN
    assert check.message == "behind the present: taobao/main by 31 min (allowed 16)"
    assert look(PAUSE)["cursors"].level is Level.OK


def test_a_paused_step_silences_its_own_feeds_only(look) -> None:
    """A closed warehouse feed is no reason not to be told of a shop."""
    pause = "INSERT INTO gate (kind, name, reason, shut_by) VALUES ('step', 'warehouse', 'stocktaking', 'mei')"
    check = look(SHOP.format(3), LOCATION, pause)["feeds"]
    assert check.message == "could not be read: taobao/main for 3 h"
    assert look("UPDATE gate SET name = 'pull'")["feeds"].message == "could not be read: warehouse/east for 9 h"


def test_a_shop_that_is_no_longer_configured_is_not_silent(look) -> None:
    assert look(SHOP.format(3), "DELETE FROM work")["feeds"].level is Level.OK


LETTER = """INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes,
                                     owner, due_at, closed_at, closed_as, closed_by, closed_reason)
            SELECT step, subject_id * {}, lane, account, 'x', 'f', '[]', 1, 3, 'engineering', now(), {} FROM work"""
OPEN = "NULL, NULL, NULL, NULL"
ENDED = "now(), '{}', 'mei', 'as she said'"


@pytest.mark.parametrize(
    ("sign", "end", "level"),
    [
        (1, OPEN, Level.WARN),
        (1, ENDED.format("discarded"), Level.WARN),
        (1, ENDED.format("replayed"), Level.OK),
        (-1, OPEN, Level.OK),
    ],
    ids=["open", "discarded", "replayed, and later unconfigured", "of a gap, and unconfigured"],
)
@pytest.mark.parametrize("feed", [SHOP.format(3), LOCATION], ids=["shop", "location"])
def test_a_feed_whose_work_ended_as_a_letter_is_silent(look, feed, sign, end, level) -> None:
    assert look(feed, LETTER.format(sign, end), "DELETE FROM work")["feeds"].level is level


def test_scans_of_nobodys_package_are_named_after_a_day(look) -> None:
    scan = (
        "INSERT INTO early_scan (event_id, location, reference, waybill, kind, at, noticed_at)"
        " VALUES ('e{0}', 'east', 'R-{0}', 'SF1', 'packed', now(), now() - interval '{0} hours')"
    )
    assert look(scan.format(23))["scans"].level is Level.OK
    check = look(scan.format(25))["scans"]
    assert (check.level, check.message) == (Level.WARN, "without a known package for a day: east 1 (such as R-25)")
    # Whatever stands there may be anything, a person's name too.
    check = look("UPDATE early_scan SET reference = '林小满 ' || reference")["scans"]
    assert (check.level, check.message) == (Level.WARN, "without a known package for a day: east 1")


def test_a_gap_that_was_given_up_is_a_letters_business(look) -> None:
    gap = "INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error) SELECT id, '1', now(), 'x' FROM shop"
    assert look(SHOP.format(0), gap)["pull"].level is Level.WARN
    assert look(GIVEN_UP)["pull"].level is Level.OK


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


def test_waybills_that_nobody_wants_are_named_with_their_order(look) -> None:
    unwanted = ORDER.format(hours=4).replace("amount_mismatch", "unwanted_waybill")
    told = """UPDATE hold SET facts = '{"courier": "sf", "waybill": "SF7"}'"""
    found = look(unwanted, told)["waybills"]
    assert (found.level, found.message) == (Level.WARN, "valid although nobody wants them: p/s/1 has SF7 of sf")
    assert look("UPDATE hold SET released_at = now(), released_by = 'li'")["waybills"].level is Level.OK
    case = """INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at, facts)
              SELECT 'p/s', 'c1', 'unwanted_waybill', id, 'logistics', now(), '{"courier": "sf", "waybill": "SF8"}'
              FROM orders"""
    assert look(case)["waybills"].message == "valid although nobody wants them: p/s/1 has SF8 of sf"


def test_listings_that_orders_wait_for_are_counted(look, database) -> None:
    assert look()["listings"].message == "no order waits for a SKU"
    with database.connection() as connection:
        connection.execute(WITHOUT_SKU, {"orders": 5, "waiting": 3})
        connection.execute("INSERT INTO stock_pool (sku, on_hand) VALUES ('TEE-1', 0)")
    check = look()["listings"]
    assert (check.level, check.message) == (Level.WARN, "1 listings without SKU, 3 orders wait")
    assert "orderlane sku list --unmapped" in check.advice


def test_open_alarms_are_named_with_age_count_and_owner(look):
    assert look()["alarms"].level is Level.OK
    check = look(
        """INSERT INTO alarm (kind, key, severity, owner, count, first_at)
           VALUES ('worker_died', 'label', 'warning', 'engineering', 3, now() - interval '90 seconds'),
                  ('redis_unreachable', '', 'error', 'engineering', 1, now() - interval '2 hours'),
                  ('of_tomorrow', 'x', 'info', 'nobody', 1, now())"""
    )["alarms"]
    assert check.level is Level.WARN
    assert check.message == (
        "3 open: error redis_unreachable for 2 h 0 min (engineering); "
        "warning worker_died label for 1 min 30 s, count 3 (engineering); info of_tomorrow x for 0 s (nobody)"
    )
    assert "orderlane alarm list" in check.advice


def test_of_many_alarms_the_first_are_named(look):
    check = look(
        """INSERT INTO alarm (kind, key, severity, owner)
           SELECT 'feed_silent', 'taobao/' || n, 'error', 'x' FROM generate_series(1, 9) AS n"""
    )["alarms"]
    assert check.message.startswith("9 open: ")
    assert check.message.endswith("; and 4 more")


def test_cases_past_their_due_time_are_counted_by_owner(look) -> None:
    plant = """INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at)
               SELECT 'p/s', n::text, 'lost', id, 'logistics', now() + make_interval(hours => n)
               FROM orders, unnest('{-2,-1,1}'::int[]) AS n"""
    check = look(ORDER.format(hours=1), plant)["cases"]
    assert (check.level, check.message.split(";")[0]) == (Level.WARN, "2 past their due time (logistics 2)")
