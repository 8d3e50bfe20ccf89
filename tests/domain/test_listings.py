from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.listings import (
    NOTHING,
    Listing,
    NewSku,
    OpenLine,
    keep_skus,
    lines_without_sku,
    listing_of,
    mapped,
    new_skus,
    sku_of,
    unnamed,
    waiting_orders,
    with_sku,
)
from domain.order import FulfilledBy

PRODUCTS, VARIANTS, SKUS = ("p1", "p2"), ("", "v1", "v2"), ("", "A", "B")
LISTINGS = st.builds(
    Listing, st.just("taobao"), st.sampled_from(("s1", "s2")), st.sampled_from(PRODUCTS), st.sampled_from(VARIANTS)
)
MAPS = st.dictionaries(LISTINGS, st.sampled_from(SKUS))
P1 = Listing("taobao", "s1", "p1", "v1")


def open_line(fulfillment_order_id=1, line_id="l1", listing=P1, sku="", *, is_known=False):
    return OpenLine(fulfillment_order_id, 7, line_id, listing, sku, is_known)


@given(listing=LISTINGS, listing_map=MAPS)
def test_the_most_specific_entry_of_the_same_shop_wins(listing, listing_map):
    found = sku_of(listing, listing_map)
    if listing in listing_map:
        assert found == listing_map[listing]
    elif listing.product in listing_map:
        assert found == listing_map[listing.product]
    else:
        assert found is None


@given(listing=LISTINGS, listing_map=MAPS, other=LISTINGS, sku=st.sampled_from(SKUS))
def test_an_entry_of_another_listing_changes_nothing(listing, listing_map, other, sku):
    if other not in {listing, listing.product}:
        assert sku_of(listing, listing_map | {other: sku}) == sku_of(listing, listing_map)


def test_a_line_without_a_product_is_never_mapped():
    assert sku_of(Listing("taobao", "s1", ""), {Listing("taobao", "s1", ""): "A"}) is None


@pytest.fixture
def lines(order, line):
    """An order whose lines are made from the one line by some changes each."""
    return lambda *changes: order(
        lines=tuple(line(**{"line_id": f"l{number}", **change}) for number, change in enumerate(changes, start=1))
    )


def test_a_sku_of_the_platform_is_never_replaced_on_the_way_in(lines):
    """Goods and their warranty under one listing: the map speaks of what has no SKU."""
    both = lines({"sku": "TEE"}, {"sku": ""})
    warranty = mapped(both, {listing_of(both, both.lines[1]): NOTHING})
    assert [(line.sku, line.fulfilled_by) for line in warranty.lines] == [
        ("TEE", FulfilledBy.MERCHANT),
        ("", FulfilledBy.NOBODY),
    ]


def test_lines_that_somebody_else_ships_need_no_sku(lines):
    assert unnamed(lines({"sku": "", "fulfilled_by": FulfilledBy.PLATFORM}, {"sku": "", "product_id": ""})) == ()


def test_an_order_of_nothing_to_pick_has_no_clock(order, line):
    raw = order(lines=(line(sku=""), line(line_id="l2", sku="TEE")), ship_by=order().paid_at)
    warranty = {listing_of(raw, raw.lines[0]): NOTHING}
    assert mapped(raw, warranty).ship_by is not None
    alone = replace(raw, lines=raw.lines[:1])
    assert mapped(alone, warranty).ship_by is None
    assert keep_skus(mapped(alone, warranty), alone).ship_by is None


def test_what_the_platform_gave_is_kept_with_the_line(lines):
    first = lines({"sku": ""})
    found = mapped(first, {listing_of(first, first.lines[0]).product: "MUG"})
    assert [(line.sku, line.replaced_sku) for line in found.lines] == [("MUG", "")]
    assert with_sku(found.lines[0], "CUP").replaced_sku == ""


CONTENT = {"sku": st.sampled_from(SKUS), "product_id": st.sampled_from(PRODUCTS), "title": st.sampled_from(("x", "y"))}


@given(content=st.fixed_dictionaries(CONTENT), listing_map=MAPS, later_map=MAPS)
@example(content={"sku": "", "product_id": "p1"}, listing_map={P1.product: "A"}, later_map={P1.product: NOTHING})
@example(content={"sku": "", "product_id": "p1"}, listing_map={P1.product: NOTHING}, later_map={P1.product: "A"})
def test_the_same_content_again_keeps_every_decision_whatever_the_map_says_by_then(
    order, line, content, listing_map, later_map
):
    raw = order(lines=(line(**content),), ship_by=order().paid_at)
    stored = mapped(raw, listing_map)
    again = keep_skus(stored, mapped(raw, later_map))
    if stored.lines[0].replaced_sku is not None:
        assert again == stored
    else:
        assert again == mapped(raw, later_map)


@pytest.mark.parametrize(
    "change", [{"sku": "GIVEN"}, {"product_id": "other"}, {"platform_sku": "other"}, {"line_id": "other"}]
)
def test_another_word_of_the_platform_ends_a_decision(order, line, change):
    stored = order(lines=(with_sku(line(sku=""), "MUG"),))
    new = order(lines=(line(**{"sku": "", **change}),))
    assert keep_skus(stored, new) == new


def test_what_a_person_let_go_does_not_come_back(order, line):
    stored = order(lines=(with_sku(line(sku=""), NOTHING),))
    again = keep_skus(stored, order(lines=(line(sku="", title="new"),)))
    assert (again.lines[0].fulfilled_by, again.lines[0].title) == (FulfilledBy.NOBODY, "new")


def test_a_decision_that_an_earlier_version_stored_over_is_none(order, line):
    """Above all it does not make the line nobody's."""
    stored = order(lines=(line(sku="", replaced_sku=""),))
    new = order(lines=(line(sku=""),))
    assert keep_skus(stored, new) == new


def test_who_ships_is_the_platforms_word(order, line):
    stored = order(lines=(with_sku(line(sku=""), "MUG"),))
    new = order(lines=(line(sku="", fulfilled_by=FulfilledBy.PLATFORM),))
    assert keep_skus(stored, new) == new


def test_waiting_lines_get_what_the_map_says_unless_stock_knows_theirs():
    missing, unknown, known = (
        open_line(),
        open_line(line_id="l2", sku="OLD"),
        open_line(line_id="l3", sku="X", is_known=True),
    )
    assert new_skus([missing, unknown, known], {P1.product: "MUG"}) == [NewSku(missing, "MUG"), NewSku(unknown, "MUG")]
    assert new_skus([replace(unknown, sku="MUG")], {P1: "MUG"}) == [], "it waits for stock to know it"
    assert new_skus([replace(unknown, sku="MUG")], {P1: NOTHING}) == [NewSku(replace(unknown, sku="MUG"), NOTHING)]


def test_an_order_is_ready_when_stock_knows_all_its_skus_and_empty_when_nothing_is_left():
    first, second = open_line(1, "a"), open_line(1, "b", sku="X", is_known=True)
    other, alone = open_line(2, "a"), open_line(3, "a")
    changed = [NewSku(first, "MUG"), NewSku(other, "TYPO"), NewSku(alone, NOTHING)]
    left = waiting_orders([first, second, other, alone], changed, frozenset({"TYPO"}))
    assert (left.ready, left.empty) == ({1}, {3})
    assert waiting_orders([first, second], [NewSku(first, NOTHING)], frozenset()).ready == {1}


def test_only_lines_without_any_sku_are_let_go():
    missing, unknown = open_line(), open_line(line_id="l2", sku="OLD")
    assert lines_without_sku([missing, unknown], {}) == [NewSku(missing, NOTHING)]
    assert lines_without_sku([missing, unknown], {P1: "MUG"}) == []
