"""What the schema itself refuses, whatever the code above it does."""

import psycopg
import pytest


@pytest.fixture
def refused(harness):
    def refused(query: str, *values: object, by: str) -> None:
        with pytest.raises(psycopg.IntegrityError) as caught:
            harness.rows(query, *values)
        assert caught.value.diag.constraint_name == by

    return refused


@pytest.fixture
def stocked(harness):
    harness.rows("INSERT INTO stock_pool (sku, on_hand, reserved, frozen, allocated) VALUES ('A', 10, 3, 2, 4)")
    harness.rows("INSERT INTO stock_location (sku, location, on_hand, allocated) VALUES ('A', 'east', 5, 4)")


@pytest.mark.parametrize(
    ("change", "by"),
    [
        ("reserved = reserved + 2", "pool_never_oversold"),
        ("frozen = frozen + 2", "pool_never_oversold"),
        ("allocated = allocated + 2", "pool_never_oversold"),
        ("on_hand = 8", "pool_never_oversold"),
        ("reserved = -1", "stock_pool_reserved_check"),
        ("frozen = -1", "stock_pool_frozen_check"),
        ("allocated = -1", "stock_pool_allocated_check"),
        ("on_hand = -1, reserved = 0, frozen = 0, allocated = 0", None),
    ],
)
def test_a_pool_is_never_oversold(harness, stocked, change, by):
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        harness.rows(f"UPDATE stock_pool SET {change}")  # noqa: S608 - a literal of this test
    assert by in {None, caught.value.diag.constraint_name}
    harness.rows("UPDATE stock_pool SET reserved = reserved + 1")


@pytest.mark.parametrize(
    ("change", "by"),
    [
        ("allocated = 6", "location_never_oversold"),
        ("on_hand = 3", "location_never_oversold"),
        ("allocated = -1", "stock_location_allocated_check"),
    ],
)
def test_a_location_is_never_oversold(harness, stocked, refused, change, by):
    refused(f"UPDATE stock_location SET {change}", by=by)  # noqa: S608 - a literal of this test
    harness.rows("UPDATE stock_location SET allocated = 5")


def test_a_reservation_names_a_location_once_it_is_allocated(harness, stocked, refused):
    add = "INSERT INTO reservation (fulfillment_order_id, sku, quantity, status, location) VALUES (%s, 'A', %s, %s, %s)"
    id_ = harness.order()
    refused(add, id_, 1, "allocated", None, by="allocation_names_its_location")
    refused(add, id_, 1, "consumed", None, by="allocation_names_its_location")
    refused(add, id_, 0, "reserved", None, by="reservation_quantity_check")
    refused(add, id_, 1, "wished", None, by="reservation_status_check")
    harness.rows(add, id_, 1, "reserved", None)
    refused(add, id_, 1, "allocated", "east", by="reservation_pkey")


def test_a_hold_state_knows_where_to_resume(harness, refused):
    id_ = harness.order("paid")
    refused("UPDATE fulfillment_order SET state = 'on_hold'", by="hold_knows_where_to_resume")
    refused("UPDATE fulfillment_order SET resume_state = 'paid'", by="hold_knows_where_to_resume")
    refused(
        "UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'delivered'",
        by="fulfillment_order_resume_state_check",
    )
    harness.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'paid' WHERE id = %s", id_)


def test_a_final_state_has_its_time_and_reason(harness, refused):
    harness.order("paid")
    refused("UPDATE fulfillment_order SET state = 'completed'", by="final_state_has_its_time")
    refused("UPDATE fulfillment_order SET finished_at = now()", by="final_state_has_its_time")
    refused("UPDATE fulfillment_order SET state = 'closed', finished_at = now()", by="closed_has_its_reason")
    refused("UPDATE fulfillment_order SET closed_reason = 'x'", by="closed_has_its_reason")


def test_states_lanes_and_reservations_are_words_of_the_house(harness, refused):
    harness.order("paid")
    refused("UPDATE fulfillment_order SET state = 'shipped'", by="fulfillment_order_state_check")
    refused("UPDATE fulfillment_order SET lane = 'p2'", by="fulfillment_order_lane_check")
    refused("UPDATE fulfillment_order SET reservation = 'maybe'", by="fulfillment_order_reservation_check")


def test_an_order_is_there_once(harness, refused):
    harness.order()
    copy = """INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
                  member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor,
                  paid_minor, balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo,
                  seller_flag, received_at)
              SELECT platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
                  member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor,
                  paid_minor, balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo,
                  seller_flag, received_at FROM orders"""
    refused(copy, by="orders_shop_platform_order_id_platform_key")


def test_a_hold_is_open_once_for_its_code_and_its_release_names_somebody(harness, refused):
    id_ = harness.order()
    add = """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
             VALUES (%s, 'platform_hold', 'review', 'service', now())"""
    harness.rows(add, id_)
    refused(add, id_, by="hold_one_open_of_a_code")
    refused("UPDATE hold SET released_at = now()", by="release_names_its_author")
    harness.rows("UPDATE hold SET released_at = now(), released_by = 'review'")
    harness.rows(add, id_)


def test_a_package_has_one_live_shipment(harness, refused):
    id_ = harness.package()
    add = """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at, voided_at)
             VALUES (%s, %s, %s, 'sf', %s, %s, CASE WHEN %s THEN now() END, CASE WHEN %s THEN now() END)"""
    harness.rows(add, id_, 1, "R-1", "intended", None, False, False)
    refused(add, id_, 2, "R-2", "intended", None, False, False, by="shipment_one_live_a_package")
    refused(add, id_, 2, "R-2", "booked", "SF2", True, False, by="shipment_one_live_a_package")
    harness.rows(add, id_, 2, "R-2", "voided", None, False, True)
    refused(add, id_, 2, "R-3", "voided", None, False, True, by="shipment_package_id_generation_key")
    refused(add, id_, 3, "R-1", "voided", None, False, True, by="shipment_reference_key")
    refused(add, id_, 0, "R-3", "voided", None, False, True, by="shipment_generation_check")
    refused(add, id_, 3, "R-3", "voided", None, False, False, by="voided_has_its_time")
    refused("UPDATE shipment SET status = 'booked' WHERE reference = 'R-1'", by="booked_has_its_waybill")
    refused("UPDATE shipment SET voided_at = now() WHERE reference = 'R-1'", by="voided_has_its_time")


def test_a_waybill_belongs_to_one_shipment_of_its_courier(harness, refused):
    add = """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
             VALUES (%s, 1, %s, 'sf', 'booked', 'SF1', now())"""
    harness.rows(add, harness.package(), "R-1")
    refused(add, harness.package(), "R-2", by="shipment_waybill")


def test_an_order_is_written_back_one_package_at_a_time(harness, refused):
    first, second = harness.package(), harness.package()
    order_id = harness.one("SELECT min(order_id) FROM fulfillment_order")
    add = "INSERT INTO writeback (package_id, order_id, status, shipped_at) VALUES (%s, %s, 'sending', now())"
    harness.rows(add, first, order_id)
    refused(add, second, order_id, by="writeback_one_at_a_time_for_each_order")
    refused("UPDATE writeback SET status = 'confirmed'", by="confirmed_has_its_time")
    refused("UPDATE writeback SET confirmed_at = now()", by="confirmed_has_its_time")


def test_a_notice_is_there_once_and_told_has_its_time(harness, refused):
    id_ = harness.package()
    add = "INSERT INTO notice (package_id, event, channel, occurred_at) VALUES (%s, 'package.shipped', 'c', now())"
    harness.rows(add, id_)
    refused(add, id_, by="notice_package_id_event_channel_key")
    refused("UPDATE notice SET status = 'told'", by="told_has_its_time")
    refused("UPDATE notice SET told_at = now()", by="told_has_its_time")


def test_work_is_there_once_for_a_subject_and_step_and_a_lease_has_its_end(harness, refused):
    harness.due("review", [1])
    harness.due("route", [1])
    refused("INSERT INTO work (step, subject_id, lane) VALUES ('review', 1, 'p0')", by="work_pkey")
    refused("UPDATE work SET lease_token = gen_random_uuid()", by="lease_has_its_end")
    refused("UPDATE work SET lane = 'slow'", by="work_lane_check")


def test_a_subject_has_one_open_dead_letter(harness, refused):
    add = """INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes,
                 owner, due_at) VALUES ('label', 1, 'p0', '', 'x', 'f', '[]', 1, 0, 'engineering', now())"""
    harness.rows(add)
    refused(add, by="dead_letter_one_open")
    harness.rows("UPDATE dead_letter SET closed_at = now()")
    harness.rows(add)
