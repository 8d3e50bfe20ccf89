from hypothesis import given
from hypothesis import strategies as st

from domain.dispatch import Correction, DocumentRefusal, EventBox, Picked, correction, fill_boxes, shortfall

LINES = st.sampled_from(["1", "2", "3"])
COUNTS = st.integers(-2, 6)
PIECES = st.dictionaries(LINES, st.integers(1, 5), min_size=1)
BOXES = st.lists(
    st.builds(EventBox, st.sampled_from(["A", "B", "C"]), lines=st.dictionaries(LINES, COUNTS)), max_size=4
)


def test_a_shortage_without_a_sku_is_the_only_one_s_and_of_several_nobody_s():
    assert correction(DocumentRefusal("short"), {"A": 3}) == Correction({"A": 3}, frozenset({"A"}))
    assert correction(DocumentRefusal("short"), {"A": 3, "B": 1}).is_empty
    assert correction(DocumentRefusal("short", {"B": 1}), {"A": 3, "B": 2}) == Correction({"B": 1}, frozenset({"B"}))


def test_an_unknown_sku_is_not_there_at_all():
    assert correction(DocumentRefusal("unknown_sku", {"A": 1}), {"A": 3, "B": 1}) == Correction(
        {"A": 3}, frozenset({"A"})
    )


def test_capacity_and_other_reasons_leave_the_stock():
    assert correction(DocumentRefusal("capacity"), {"A": 3}).is_empty
    assert correction(DocumentRefusal("other", {"A": 1}), {"A": 3}).is_empty


@given(st.sampled_from(["short", "unknown_sku", "capacity", "other"]), st.dictionaries(LINES, COUNTS), PIECES)
def test_no_correction_takes_more_than_the_order_was_promised(code, missing, pieces):
    found = correction(DocumentRefusal(code, missing), pieces)
    assert all(0 < count <= pieces[sku] for sku, count in found.lost.items())
    assert found.nothing_free <= pieces.keys()


@given(st.lists(st.builds(Picked, LINES, COUNTS, COUNTS)), PIECES)
def test_nothing_is_short_beyond_what_was_planned(picked, planned):
    short = shortfall(picked, planned)
    assert all(0 < count <= planned[line] for line, count in short.items())
    assert short.keys() <= {one.line for one in picked}, "a line that is left out is unknown, not short"


@given(BOXES, PIECES, st.booleans())
def test_every_box_is_a_package_and_none_holds_more_than_is_left(boxes, left, is_final):
    packed = fill_boxes(boxes, left, is_final=is_final)
    assert [one.box for one in packed.boxes] == boxes
    held = {}
    for one in packed.boxes:
        for line, count in one.lines.items():
            assert count > 0
            held[line] = held.get(line, 0) + count
    assert all(count <= left[line] for line, count in held.items())
    said = {}
    for box in boxes:
        for line, count in box.lines.items():
            said[line] = said.get(line, 0) + count
    if is_final and boxes and all(box.lines for box in boxes):
        wrong = {line: said.get(line, 0) - left.get(line, 0) for line in said.keys() | left.keys()}
        assert {line: n for line, n in packed.differs.items() if n} == {line: n for line, n in wrong.items() if n}


def test_boxes_that_say_nothing_share_what_no_other_claims():
    packed = fill_boxes([EventBox("A", lines={"1": 1}), EventBox("B"), EventBox("C")], {"1": 3, "2": 1}, is_final=True)
    assert [dict(one.lines) for one in packed.boxes] == [{"1": 1}, {"1": 2, "2": 1}, {}]
    assert packed.differs == {}
