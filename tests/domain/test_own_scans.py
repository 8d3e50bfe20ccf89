"""Scans at a location of our own: what is refused, and what changes nothing."""

import pytest

from domain.own_scans import ACCEPTED, HANDED_OVER, PACKED, PackageNow, WhyNot, is_repeat, may_be_shipped, why_refused
from domain.states import State


def package(**changes) -> PackageNow:
    return PackageNow(**{"state": State.ALLOCATED, "shipment": "booked", **changes})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"state": State.PACKED, "is_packed": True}, None),
        ({"is_ours": False}, WhyNot.NOT_OUR_LOCATION),
        ({"shipment": "voided"}, WhyNot.WAYBILL_VOID),
        ({"shipment": "intended"}, WhyNot.NOT_LABELLED),
        ({"state": State.ON_HOLD}, WhyNot.ORDER_HELD),
        ({"state": State.ON_HOLD, "is_packed": True}, WhyNot.ORDER_HELD),
        ({"state": State.CLOSED}, WhyNot.ORDER_STOPPED),
        ({"is_closed_on_platform": True}, WhyNot.ORDER_STOPPED),
        ({"is_cancelled": True}, WhyNot.PACKAGE_CANCELLED),
        ({"document": "stopped"}, WhyNot.DOCUMENT_STOPPED),
        ({"document": "refused"}, WhyNot.DOCUMENT_REFUSED),
        ({"document": "placed"}, None),
        ({"state": State.APPROVED}, WhyNot.NOT_ALLOCATED),
        ({"state": State.CLOSED, "has_left": True}, None),
    ],
)
def test_a_scan_is_refused_by_what_forbids_it(changes, why):
    assert why_refused(package(**changes)) is why


@pytest.mark.parametrize(
    ("scan", "changes", "repeats"),
    [
        (ACCEPTED, {}, False),
        (ACCEPTED, {"state": State.IN_WAREHOUSE}, True),
        (ACCEPTED, {"state": State.PACKED}, True),
        (PACKED, {"state": State.IN_WAREHOUSE}, False),
        # Another package of the same order is packed.
        (PACKED, {"state": State.PACKED}, False),
        (PACKED, {"state": State.PACKED, "is_packed": True}, True),
        (HANDED_OVER, {"state": State.PACKED, "is_packed": True}, False),
        (HANDED_OVER, {"has_left": True}, True),
        (ACCEPTED, {"has_left": True}, True),
    ],
)
def test_a_scan_that_tells_what_is_known_repeats(scan, changes, repeats):
    assert is_repeat(scan, package(**changes)) is repeats


@pytest.mark.parametrize(("age_s", "may"), [(None, False), (0.0, True), (90.0, True), (90.001, False)])
def test_only_a_known_and_recent_answer_counts(age_s, may):
    assert may_be_shipped(age_s, 90.0) is may
