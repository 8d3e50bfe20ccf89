"""A warehouse that is told its orders: what it takes, refuses, packs, splits, stops, and tells of it."""

import json
from collections import Counter
from dataclasses import replace
from itertools import count

import msgspec
import pytest

from domain.errors import Refused
from sandbox.people import person_of
from sandbox.report import full, progress
from sandbox.signatures import warehouse_signature
from sandbox.spec import Floor
from sandbox.warehouse import AnswerLostError, FeedRequest
from sandbox.waybills import Booked

PLACE = "shanghai"
REFERENCE = "W7B73O67I4YV6HOQ4RJX-W1-1"
LINES = ({"line": "11", "sku": "SKU-1", "quantity": 2}, {"line": "12", "sku": "SKU-2", "quantity": 1})
packages = count(1)


@pytest.fixture
def open_world(make_world, clean_spec):
    def make(**floor):
        told = Floor(**floor)
        return make_world(msgspec.structs.replace(clean_spec, floors={PLACE: told}))

    return make


@pytest.fixture
def ask(secrets, now):
    """Ask a warehouse; status and answer."""

    def call(world, what, content=None, *, at=now, reference=""):
        path = f"/warehouse/{PLACE}/{'stop' if what == 'stop' else 'orders'}" + (f"/{reference}" if reference else "")
        body = None if content is None else json.dumps(content).encode()
        signature = warehouse_signature(
            "GET" if body is None else "POST", path, str(int(now)), secrets.warehouse_secret, body
        )
        request = FeedRequest(PLACE, path, str(int(now)), signature, reference=reference, body=body)
        assert world.feed.is_signed(request, now)
        status, answer = getattr(world.feed, what)(request, at)
        return status, json.loads(answer) if answer.startswith(b"{") else answer

    return call


@pytest.fixture
def waybill():
    """A living waybill of the courier, as a document names it."""

    def book(world, reference="PACKAGE-1", location=PLACE):
        booked = world.waybills.book(Booked(reference, location, "", "", "1", (("x", 1),)), 0)
        return {"reference": reference, "courier": "sf", "waybill": booked.number}

    return book


@pytest.fixture
def place(ask, waybill):
    def call(world, reference=REFERENCE, lines=LINES, *, booked=True, **more):
        given = [waybill(world, f"PACKAGE-{next(packages)}")] if booked else []
        content = {"reference": reference, "shop": "taobao/shop-1", "lines": list(lines), "packages": given, **more}
        return ask(world, "place", content), content

    return call


def events(world, at):
    world.advance(at)
    return world.warehouses.scans[PLACE]


def kinds(world, at):
    return [scan.type for scan in events(world, at)]


def test_a_told_document_is_packed_and_leaves_once_under_its_waybill(open_world, place, now):
    world = open_world()
    (status, answer), content = place(world)
    assert (status, answer["answer"], bool(answer["id"])) == (200, "taken", True)
    assert kinds(world, now + 60) == ["accepted", "printed", "picked", "checked", "packed", "handed_over"]
    left = events(world, now + 60)[-1]
    (booked,) = content["packages"]
    assert (left.reference, left.waybill) == (booked["reference"], booked["waybill"])
    assert left.more["final"] is True
    assert [line["actual"] for line in left.more["lines"]] == [2, 1]
    told = full(world)
    assert [(one["reference"], one["state"]) for one in told["documents"]] == [(REFERENCE, "handed_over")]
    assert (told["doubled_documents"], told["untold"], told["alarms"]) == ([], [], [])
    assert progress(world)["documents"] == 1


def test_nothing_leaves_that_was_not_told(open_world, waybill, sf, booking, now):
    world = open_world()
    sf(world, "EXP_RECE_CREATE_ORDER", booking(world, "REF-1-1"))
    assert kinds(world, now + 60) == []
    number = waybill(world)["waybill"]
    world.waybills.by_number[number].is_collected = True
    assert full(world)["untold"] == [number], "the control: a package that left without a document is seen"


def test_the_default_is_to_ship_only_what_was_told():
    assert Floor().learns_from == "orders"


def test_parcels_of_people_leave_when_they_are_given_to_the_courier(open_world, waybill, ask, do, now):
    world = open_world(learns_from="people")
    number = waybill(world)["waybill"]
    assert ask(world, "place", {"reference": REFERENCE, "shop": "s", "lines": LINES})[0] == 404
    assert kinds(world, now + 3600) == []
    with pytest.raises(Refused):
        do(world, do="collect", numbers=[number, "SF0000000000000"])
    assert not world.waybills.by_number[number].is_collected
    do(world, do="collect", numbers=[number])
    collected_at = world.waybills.by_number[number].collected_at
    do(world, do="collect", numbers=[number])
    assert world.waybills.by_number[number].collected_at == collected_at is not None
    assert full(world)["untold"] == []


def test_a_warehouse_that_learns_from_labels_knows_no_orders(world, ask):
    content = {"reference": REFERENCE, "shop": "s", "lines": LINES}
    assert ask(world, "place", content)[0] == 404
    assert ask(world, "find", reference=REFERENCE) == (404, b"404: Not Found")
    assert full(world)["documents"] == []


def test_repeating_is_harmless_and_other_content_is_refused(open_world, ask, place, now):
    world = open_world()
    first, content = place(world)
    world.advance(now + 60)
    assert ask(world, "place", content) == first
    assert ask(world, "place", {**content, "lane": "p0"}) == (409, {"error": "reference_used"})
    assert len(full(world)["documents"]) == 1


def test_the_control_without_idempotence_is_a_double(open_world, ask, place, now):
    world = open_world(is_idempotent=False)
    _, content = place(world)
    ask(world, "place", content)
    assert full(world)["doubled_documents"] == [REFERENCE]
    assert Counter(kinds(world, now + 60))["handed_over"] == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"reference": ""},
        {"reference": "R" * 31},
        {"shop": ""},
        {"lines": []},
        {"lines": [LINES[0], LINES[0]]},
        {"lines": [{"line": "1", "sku": "S", "quantity": 0}]},
        {"lines": [{"line": "1", "sku": "S"}]},
        {"packages": [{"reference": "P", "courier": "sf", "waybill": ""}]},
    ],
)
def test_a_document_that_cannot_be_read_is_not_carried_out(open_world, ask, changed):
    world = open_world()
    content = {"reference": REFERENCE, "shop": "s", "lines": LINES, **changed}
    assert ask(world, "place", content) == (400, {"error": "invalid"})
    assert full(world)["documents"] == []


def test_a_waybill_that_the_courier_never_gave_is_an_alarm(open_world, ask):
    world = open_world()
    package = {"reference": "P", "courier": "sf", "waybill": "SF0"}
    ask(world, "place", {"reference": REFERENCE, "shop": "s", "lines": LINES, "packages": [package]})
    assert [(alarm["kind"], alarm["number"]) for alarm in full(world)["alarms"]] == [
        ("document_waybill_unknown", "SF0")
    ]


def test_a_waybill_that_was_cancelled_does_not_leave(open_world, place, now):
    world = open_world()
    _, content = place(world)
    world.advance(now + 0.45)
    world.waybills.by_number[content["packages"][0]["waybill"]].is_alive = False
    assert kinds(world, now + 60)[-1] == "packed"


def test_refusals_at_once_say_why_and_ship_nothing(open_world, place, now):
    world = open_world(refuses=1.0)
    answers = [place(world, f"{REFERENCE[:-1]}{number}")[0][1] for number in range(1, 40)]
    assert {answer["answer"] for answer in answers} == {"refused"}
    assert {answer["code"] for answer in answers} == {"short", "unknown_sku", "capacity", "other"}
    short = next(answer for answer in answers if answer["code"] == "short")
    assert all(line["actual"] < line["planned"] for line in short["lines"])
    assert kinds(world, now + 60) == []


def test_a_late_refusal_is_an_event(open_world, place, now):
    world = open_world(refuses_late=1.0)
    assert place(world)[0][1]["answer"] == "taken"
    assert kinds(world, now + 60) == ["refused"]
    assert events(world, now + 60)[0].more["code"]


def test_a_short_pick_ships_the_rest_or_nothing(open_world, place, now):
    world = open_world(picks_short=1.0)
    for number in range(1, 30):
        place(world, f"{REFERENCE[:-1]}{number}", lines=[{"line": "11", "sku": "SKU-1", "quantity": 2}])
    found = events(world, now + 60)
    short = {scan.reference: scan for scan in found if scan.type == "short"}
    assert len(short) == 29
    assert {scan.more["lines"][0]["actual"] for scan in short.values()} == {0, 1}
    nothing = [scan for scan in short.values() if scan.more["final"]]
    assert {scan.more["lines"][0]["actual"] for scan in nothing} == {0}
    assert len([scan for scan in found if scan.type == "handed_over"]) == 29 - len(nothing)


def test_a_warehouse_that_books_tells_its_packages(open_world, place, now):
    world = open_world(books_waybill=True, splits=True)
    trade = next(iter(world.book.trades.values()))
    sku = world.plan.catalogue[0].sku
    place(world, booked=False, lines=[{"line": "11", "sku": sku.code, "quantity": 3}], merge_token=trade.oaid())
    left = [scan for scan in events(world, now + 60) if scan.type == "handed_over"]
    (one,), (other,) = (scan.more["packages"] for scan in left)
    assert one["waybill"] != other["waybill"]
    assert [package["lines"] for package in (one, other)] == [[{"line": "11", "quantity": n}] for n in (1, 2)]
    assert [scan.more.get("final", False) for scan in left] == [False, True]
    booked = [row for row in full(world)["waybills"] if row["number"] in {one["waybill"], other["waybill"]}]
    assert [(row["is_collected"], row["pieces"]) for row in booked] == [(True, {sku.code: 1}), (True, {sku.code: 2})]
    receivers = {world.waybills.by_number[row["number"]].booking.receiver_mobile for row in booked}
    assert receivers == {person_of(trade.order).mobile}


def test_a_split_of_several_lines_is_a_package_for_each(open_world, place, now):
    world = open_world(books_waybill=True, splits=True)
    place(world, booked=False)
    left = [scan.more["packages"][0]["lines"] for scan in events(world, now + 60) if scan.type == "packed"]
    assert left == [[{"line": "11", "quantity": 2}], [{"line": "12", "quantity": 1}]]


@pytest.mark.parametrize(
    ("after", "answer"), [(0.0, "stopped"), (0.25, "stopped"), (0.45, "too_late"), (60, "too_late")]
)
def test_a_stop_works_until_the_package_is_closed(open_world, ask, place, *, now, after, answer):
    world = open_world()
    place(world)
    for _ in range(2):
        status, said = ask(world, "stop", {"reference": REFERENCE}, at=now + after)
        assert (status, said["answer"]) == (200, answer)
    assert ("handed_over" in kinds(world, now + 120)) == (answer == "too_late")


@pytest.mark.parametrize(("after", "kind"), [(0.0, "stopped"), (0.3, "stop_failed")])
def test_a_stop_may_be_decided_later(open_world, ask, place, *, now, after, kind):
    world = open_world(stops="later")
    place(world)
    assert ask(world, "stop", {"reference": REFERENCE}, at=now + after)[1]["answer"] == "pending"
    assert kind in kinds(world, now + 120)
    assert ("handed_over" in kinds(world, now + 120)) == (kind == "stop_failed")


def test_what_is_not_there_is_surely_not_there(open_world, ask, place, now):
    world = open_world(find_lag_s=5)
    unknown = (404, {"error": "unknown_reference"})
    assert ask(world, "stop", {"reference": REFERENCE}) == ask(world, "find", reference=REFERENCE) == unknown
    place(world)
    assert ask(world, "find", reference=REFERENCE, at=now + 4) == unknown
    status, found = ask(world, "find", reference=REFERENCE, at=now + 5)
    assert (status, found["state"]) == (200, "handed_over")


@pytest.mark.parametrize(("lever", "documents"), [("lose_answers", 1), ("drop_calls", 0)])
def test_an_answer_may_be_lost_before_or_after_the_act(open_world, place, do, lever, documents):
    world = open_world()
    do(world, do="set_warehouse", location=PLACE, **{lever: 1})
    with pytest.raises(AnswerLostError):
        place(world)
    assert len(full(world)["documents"]) == documents
    assert place(world, f"{REFERENCE[:-1]}2")[0][0] == 200


@pytest.mark.parametrize("share", ["loses_answers", "drops_calls"])
def test_a_share_of_the_answers_is_lost(open_world, place, share):
    world = open_world(**{share: 0.5})
    lost = 0
    for number in range(1, 41):
        try:
            place(world, f"{REFERENCE[:-1]}{number}")
        except AnswerLostError:
            lost += 1
    assert 5 < lost < 35
    assert len(full(world)["documents"]) == (40 if share == "loses_answers" else 40 - lost)


def test_events_come_twice_and_out_of_order_and_say_when_they_happened(open_world, place, now):
    world = open_world(repeats_events=1.0, late_events_s=100)
    for number in range(1, 6):
        place(world, f"{REFERENCE[:-1]}{number}")
    found = events(world, now + 300)
    assert set(Counter(scan.event_id for scan in found).values()) == {2}
    assert [scan.at for scan in found] != sorted(scan.at for scan in found)
    assert max(scan.at for scan in found) == pytest.approx(now + 0.6)


def test_a_forgotten_document_is_taken_and_stays(open_world, ask, place, now):
    world = open_world(forgets=1.0)
    place(world)
    assert kinds(world, now + 3600) == []
    assert ask(world, "find", reference=REFERENCE, at=now + 3600)[1]["state"] == "taken"


def test_a_warehouse_may_be_away_and_come_back(open_world, ask, place, do, now):
    world = open_world()
    do(world, do="set_warehouse", location=PLACE, floor={"is_away": True})
    assert place(world)[0][0] == ask(world, "find", reference=REFERENCE)[0] == 503
    asked = FeedRequest(PLACE, "", "", "")
    assert world.feed.events(asked, now)[0] == world.feed.stock(asked, now)[0] == 503
    do(world, do="set_warehouse", location=PLACE, floor={})
    assert place(world)[0][0] == 200


def test_the_signature_covers_the_body(open_world, secrets, now):
    world = open_world()
    path, stamp = f"/warehouse/{PLACE}/orders", str(int(now))
    signature = warehouse_signature("POST", path, stamp, secrets.warehouse_secret, b"{}")
    signed = FeedRequest(PLACE, path, stamp, signature, body=b"{}")
    assert world.feed.is_signed(signed, now)
    assert not world.feed.is_signed(replace(signed, body=b"{ }"), now)
    assert not world.feed.is_signed(replace(signed, body=None), now)


def test_an_unknown_location_is_no_lever(world, do):
    with pytest.raises(Refused):
        do(world, do="set_warehouse", location="moon")
