"""A scan that cannot be read, applied or given back: a record with an owner, and no stop for the others."""

from datetime import UTC, datetime

import psycopg
import pytest

from actors.scans import apply as apply_scans
from adapters.ports import WarehouseEvent
from adapters.rejection import Rejected

YEAR_ONE = datetime(1, 1, 1, 8, tzinfo=UTC)


@pytest.fixture
def booked(make_merchant, trade):
    merchant = make_merchant()
    merchant.stock(**{"TEE-1": 10})
    for tid in ("1001", "1002"):
        merchant.deliver(trade(tid=tid, pieces=2))
    merchant.flow("label")
    return merchant


def scan(merchant, tid: str, kind: str = "packed", at: datetime | None = None, event_id: str = "") -> None:
    """One scan of an order's package goes to the end of the feed."""
    reference, waybill = merchant.rows(
        """SELECT s.reference, s.waybill FROM shipment AS s JOIN package AS p ON p.id = s.package_id
           JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id JOIN orders AS o ON o.id = f.order_id
           WHERE o.platform_order_id = %s""",
        tid,
    )[0]
    scans = merchant.warehouse.scans
    scans.append(
        WarehouseEvent(event_id or f"w{len(scans)}", reference, waybill, kind, at or datetime(2026, 11, 22, tzinfo=UTC))
    )


def states(merchant) -> dict[str, str]:
    return dict(
        merchant.rows(
            "SELECT platform_order_id, state FROM fulfillment_order AS f JOIN orders AS o ON o.id = f.order_id"
        )
    )


def records(merchant) -> list[tuple]:
    return merchant.rows(
        """SELECT u.position, u.code, u.field, o.platform_order_id, u.owner FROM unreadable_entry AS u
           LEFT JOIN shipment AS s ON s.reference = u.reference LEFT JOIN package AS p ON p.id = s.package_id
           LEFT JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id LEFT JOIN orders AS o ON o.id = f.order_id
           ORDER BY u.id"""
    )


def test_an_entry_that_cannot_be_read_is_a_record_that_names_its_order(booked) -> None:
    scan(booked, "1001")
    scan(booked, "1002")
    known = booked.warehouse.scans
    booked.warehouse.rejected = (
        Rejected(0, "field_invalid", "events[0].at", known[0].reference),
        Rejected(2, "field_missing", "events[2].type", "", known[1].waybill),
        Rejected(4, "field_invalid", "events[4].reference", "张三 13812345678", "張三"),
    )
    booked.scan()
    assert states(booked) == {"1001": "packed", "1002": "packed"}
    assert records(booked) == [
        (0, "field_invalid", "events[0].at", "1001", "warehouse"),
        (2, "field_missing", "events[2].type", "1002", "warehouse"),
        (4, "field_invalid", "events[4].reference", None, "warehouse"),
    ]
    assert booked.rows("SELECT count(*) FROM warehouse_page AS p JOIN unreadable_entry AS u ON u.page_id = p.id") == [
        (3,)
    ]
    assert "13812345678" not in str(booked.rows("SELECT * FROM unreadable_entry"))


def test_what_the_database_refuses_is_that_scan_s_record(booked) -> None:
    scan(booked, "1001")
    scan(booked, "1002", at=YEAR_ONE)
    booked.scan()
    assert states(booked) == {"1001": "packed", "1002": "allocated"}
    assert records(booked) == [(1, "CheckViolation", "", "1002", "warehouse")]
    assert booked.rows("SELECT feed_cursor FROM location WHERE name = 'east'") == [("2",)]
    scan(booked, "1002")
    booked.scan()
    assert states(booked)["1002"] == "packed", "the feed goes on"


def test_without_the_constraint_it_would_be_stored_and_never_given_back(booked) -> None:
    """The control."""
    booked.rows("ALTER TABLE package DROP CONSTRAINT scans_are_instants")
    scan(booked, "1002", at=YEAR_ONE)
    booked.scan()
    booked.rows("SET TIME ZONE 'UTC'")
    booked.rows(
        "UPDATE package SET packed_at = packed_at - interval '1 day' WHERE packed_at < '2000-01-01 00:00:00+00'"
    )
    with pytest.raises(psycopg.DataError):
        booked.rows("SELECT packed_at FROM package")


def test_what_a_rule_raises_is_that_scan_s_record(booked, monkeypatch) -> None:
    real = apply_scans.advance

    def faulty(now, kind, **how):
        if kind == "handed_over":
            raise ZeroDivisionError
        return real(now, kind, **how)

    monkeypatch.setattr(apply_scans, "advance", faulty)
    scan(booked, "1001", "handed_over")
    scan(booked, "1002")
    booked.scan()
    assert states(booked) == {"1001": "allocated", "1002": "packed"}
    assert [(code, tid) for _, code, _, tid, _ in records(booked)] == [("ZeroDivisionError", "1001")]


def test_an_early_scan_that_cannot_be_applied_stops_no_other(booked, monkeypatch) -> None:
    scan(booked, "1001", "handed_over")
    scan(booked, "1002")
    known = booked.rows("SELECT waybill, reference FROM shipment")
    booked.rows("UPDATE shipment SET status = 'intended', booked_at = NULL, waybill = NULL")
    booked.scan()
    for named in known:
        booked.rows(
            "UPDATE shipment SET status = 'booked', booked_at = now(), waybill = %s WHERE reference = %s", *named
        )
    real = apply_scans.advance

    def faulty(now, kind, **how):
        if kind == "handed_over":
            raise ZeroDivisionError
        return real(now, kind, **how)

    monkeypatch.setattr(apply_scans, "advance", faulty)
    booked.scan()
    assert states(booked) == {"1001": "allocated", "1002": "packed"}
    assert [(code, tid) for _, code, _, tid, _ in records(booked)] == [("ZeroDivisionError", "1001")]
    assert booked.rows("SELECT * FROM early_scan") == []
