import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.packing import PackItem
from domain.split_search import FoundSplit, Search


@st.composite
def problems(draw, divides):
    """A few lines and sites, small enough for `best_by_trying_all`."""
    item = st.builds(PackItem, st.sampled_from("AB"), st.integers(1, 3), st.integers(0, 9))
    items = draw(st.lists(item, min_size=1, max_size=3 if divides else 5))
    levels = st.dictionaries(st.sampled_from("AB"), st.integers(0, 4))
    return items, draw(st.lists(levels, min_size=1, max_size=4))


def divisions(count, sites):
    if sites == 1:
        return [(count,)]
    return [(first, *rest) for first in range(count + 1) for rest in divisions(count - first, sites - 1)]


def key_of(loads, items):
    """What is better is smaller: parts, sites, divided SKUs, pieces of the first site, of the next."""
    sites = sorted(loads)
    divided = {items[index].sku for load in loads.values() for index in load if load[index] < items[index].quantity}
    return len(sites), sites, len(divided), [-sum(loads[site].values()) for site in sites]


def faults(loads, items, stock, *, divides):
    """Everything that is wrong with a split, whatever its quality."""
    found = []
    for index, item in enumerate(items):
        counts = [load[index] for load in loads.values() if index in load]
        if sum(counts) != item.quantity or any(count < 1 for count in counts):
            found.append(f"item {index} has {counts} of {item.quantity} pieces")
        if not divides and len(counts) != 1:
            found.append(f"item {index} is divided")
    for site, load in loads.items():
        if not load:
            found.append(f"site {site} is empty")
        taken = {}
        for index, count in load.items():
            taken[items[index].sku] = taken.get(items[index].sku, 0) + count
        if any(count > stock[site].get(sku, 0) for sku, count in taken.items()):
            found.append(f"site {site} ships more than it has")
    return found


def every_split(items, stock, *, divides):
    sites = range(len(stock))
    options = [
        divisions(item.quantity, len(stock))
        if divides
        else [tuple(item.quantity * (site == other) for other in sites) for site in sites]
        for item in items
    ]
    for choice in itertools.product(*options):
        loads = {site: {i: counts[site] for i, counts in enumerate(choice) if counts[site]} for site in sites}
        loads = {site: load for site, load in loads.items() if load}
        if not faults(loads, items, stock, divides=divides):
            yield loads


def values(loads, items):
    return [sum(items[i].value * count // items[i].quantity for i, count in load.items()) for load in loads.values()]


def keeps(loads, items, max_parts, least):
    return len(loads) <= max_parts and (len(loads) == 1 or min(values(loads, items)) >= least)


@pytest.mark.parametrize("divides", [False, True])
@given(st.data(), st.integers(1, 4), st.integers(0, 12))
@settings(max_examples=200)
def test_the_best_split_is_the_one_that_trying_all_finds(divides, data, max_parts, least):
    items, stock = data.draw(problems(divides))
    every = list(every_split(items, stock, divides=divides))
    search = Search(items, stock, divides=divides)
    assert bool(search.unplaceable()) == (not every)
    if not every:
        with pytest.raises(ValueError, match="cannot ship everything"):
            search.best(max_parts, least)
        return
    answer = search.best(max_parts, least)
    assert not search.is_cut_off
    allowed = [loads for loads in every if keeps(loads, items, max_parts, least)]
    if isinstance(answer, FoundSplit):
        assert faults(answer.loads, items, stock, divides=divides) == []
        assert list(answer.loads) == sorted(answer.loads)
        assert keeps(answer.loads, items, max_parts, least)
        assert key_of(answer.loads, items) == min(key_of(loads, items) for loads in allowed)
    else:
        assert allowed == []
        best = min(key_of(loads, items) for loads in every)
        assert answer.parts == best[0]
        assert answer.by_value == (best[0] <= max_parts)


@pytest.mark.parametrize("divides", [False, True])
@given(st.data(), st.integers(1, 4), st.integers(0, 12), st.integers(0, 40))
def test_a_search_that_is_cut_off_is_sound(divides, data, max_parts, least, nodes):
    items, stock = data.draw(problems(divides))
    search = Search(items, stock, divides=divides, nodes=nodes)
    if search.unplaceable():
        return
    answer = search.best(max_parts, least)
    again = Search(items, stock, divides=divides, nodes=nodes)
    assert again.best(max_parts, least) == answer
    whole = Search(items, stock, divides=divides).best(max_parts, least)
    if isinstance(answer, FoundSplit):
        assert faults(answer.loads, items, stock, divides=divides) == []
        assert keeps(answer.loads, items, max_parts, least)
        assert len(answer.loads) >= len(whole.loads)
        if not search.is_cut_off:
            assert list(answer.loads) == list(whole.loads)
    elif not search.is_cut_off:
        assert (answer.parts, answer.by_value) == (whole.parts, whole.by_value)


def test_the_faults_of_a_split_are_found():
    items, stock = [PackItem("A", 2, 5), PackItem("A", 1, 5)], [{"A": 2}, {"A": 3}]
    assert faults({0: {0: 2}, 1: {1: 1}}, items, stock, divides=False) == []
    for broken in [
        {0: {0: 2}},
        {0: {0: 2}, 1: {0: 2, 1: 1}},
        {0: {0: 2, 1: 1}},
        {0: {0: 1}, 1: {0: 1, 1: 1}},
        {0: {}, 1: {0: 2, 1: 1}},
    ]:
        assert faults(broken, items, stock, divides=False)


def test_two_lines_of_a_sku_share_the_stock_of_a_site():
    # Each of the lines fits there alone; both do not.
    items = [PackItem("A", 2, 0), PackItem("A", 2, 0)]
    found = Search(items, [{"A": 3}, {"A": 2}], divides=False).best(3)
    assert found.loads == {0: {0: 2}, 1: {1: 2}}


def test_lines_of_a_sku_are_packed_where_first_fit_finds_no_place():
    # Both lines of 4 at the first site leave no room for the last 2.
    items = [PackItem("A", count, 0) for count in (4, 4, 3, 3, 2, 2)]
    search = Search(items, [{"A": 9}, {"A": 9}], divides=False)
    assert search.unplaceable() == ()
    assert search.best(2).loads == {0: {0: 4, 2: 3, 4: 2}, 1: {1: 4, 3: 3, 5: 2}}
    # One line more than the exact search takes: first fit misses it, and says so.
    many = Search([*items, *[PackItem("A", 1, 0)] * 7], [{"A": 9}, {"A": 9}, *[{"A": 1}] * 7], divides=False)
    assert many.unplaceable() == ("A",)
    assert many.is_cut_off


def test_the_best_ranked_site_ships_the_most_pieces():
    items = [PackItem("A", 1, 0), PackItem("A", 3, 0)]
    assert Search(items, [{"A": 3}, {"A": 3}], divides=False).best(2).loads == {0: {1: 3}, 1: {0: 1}}
    # Also where a limit decides: each site needs one of the two lines that are worth something.
    items = [PackItem("A", 1, 10), PackItem("B", 3, 10), PackItem("C", 1, 0), PackItem("D", 1, 0)]
    stock = [{"A": 1, "B": 3, "C": 1}, {"A": 1, "B": 3, "D": 1}]
    assert Search(items, stock, divides=False).best(2, 10).loads == {0: {1: 3, 2: 1}, 1: {0: 1, 3: 1}}


def test_the_fewest_sites_are_not_always_those_of_the_greedy_choice():
    items = [PackItem(sku, 1, 100) for sku in "ABCDEF"]
    # The fullest site leaves C and F open, and the best-ranked ones that have them have nothing else.
    stock = [dict.fromkeys(skus, 1) for skus in ("C", "ABDE", "F", "ABC", "DEF")]
    search = Search(items, stock, divides=False)
    assert list(search.best(3).loads) == [3, 4]
    assert not search.is_cut_off
    cut_off = Search(items, stock, divides=False, nodes=0)
    assert list(cut_off.best(3).loads) == [0, 1, 2]
    assert cut_off.is_cut_off


def test_a_line_is_divided_only_where_it_must_be():
    items = [PackItem("A", 5, 0), PackItem("B", 1, 0)]
    whole = Search(items, [{"A": 3}, {"A": 5, "B": 1}], divides=True).best(3)
    assert whole.loads == {1: {0: 5, 1: 1}}
    kept = Search(items, [{"A": 3, "B": 1}, {"A": 5}], divides=True).best(3)
    assert kept.loads == {0: {1: 1}, 1: {0: 5}}
    divided = Search(items, [{"A": 3, "B": 1}, {"A": 4}], divides=True).best(3)
    assert divided.loads == {0: {0: 3, 1: 1}, 1: {0: 2}}


def test_a_limit_moves_pieces_rather_than_refusing_the_split():
    items, stock = [PackItem("A", 4, 400), PackItem("B", 1, 50)], [{"A": 4}, {"A": 2, "B": 1}]
    assert Search(items, stock, divides=True).best(3).loads == {0: {0: 4}, 1: {1: 1}}
    assert Search(items, stock, divides=True).best(3, 100).loads == {0: {0: 3}, 1: {0: 1, 1: 1}}
    refused = Search(items, stock, divides=False).best(3, 100)
    assert (refused.parts, refused.value, refused.by_value) == (2, 50, True)


def test_a_limit_moves_a_whole_line_rather_than_fewer_pieces_of_a_divided_one():
    items = [PackItem("A", 3, 30), PackItem("C", 2, 20), PackItem("B", 1, 5), PackItem("D", 1, 0)]
    stock = [{"A": 3, "C": 2, "D": 1}, {"A": 3, "C": 2, "B": 1}]
    # One piece of C would do, and all of A would leave less at the best-ranked site.
    found = Search(items, stock, divides=True).best(2, 10)
    assert found.loads == {0: {0: 3, 3: 1}, 1: {1: 2, 2: 1}}


def test_many_lines_are_topped_up_without_a_search():
    # Above the lines of the exact search: the poor site gets the dearest piece that the rich one can spare.
    items = [PackItem(f"S{number}", 1, 100) for number in range(40)] + [PackItem("LAST", 1, 10)]
    stock = [{f"S{number}": 1 for number in range(40)}, {"LAST": 1, "S3": 1, "S7": 1}]
    search = Search(items, stock, divides=False)
    assert search.best(2, 150).loads[1] == {40: 1, 3: 1, 7: 1}
    assert not search.is_cut_off
    assert Search(items, stock, divides=False).best(2, 250).by_value


@pytest.mark.parametrize("divides", [False, True])
def test_what_a_poor_site_ships_already_is_not_there_twice(divides):
    # The dearest piece of the rich site is of a SKU of which the poor one has no second piece.
    items = [PackItem(f"S{number}", 1, 100) for number in range(40)] + [PackItem("X", 1, 500), PackItem("X", 1, 10)]
    stock = [{f"S{number}": 1 for number in range(40)} | {"X": 1}, {"X": 1, "S3": 1}]
    answer = Search(items, stock, divides=divides).best(2, 100)
    assert answer.loads[1] == {41: 1, 3: 1}
    assert faults(answer.loads, items, stock, divides=divides) == []


def test_a_site_gives_no_more_than_it_can_spare():
    items = [*(PackItem(f"S{number}", 1, 0) for number in range(40)), PackItem("A", 10, 1000), PackItem("B", 1, 1)]
    stock = [{f"S{number}": 1 for number in range(40)} | {"A": 10}, {"A": 9, "B": 1}]
    assert Search(items, stock, divides=True).best(2, 400).loads[1] == {41: 1, 40: 4}
    assert Search(items, stock, divides=True).best(2, 500).loads[1] == {41: 1, 40: 5}
    assert Search(items, stock, divides=True).best(2, 501).by_value
    assert Search(items, stock, divides=False).best(2, 400).by_value
    # The dearest line would leave too little, the next one does not.
    items = [
        *(PackItem(f"S{number}", 1, 0) for number in range(40)),
        *(PackItem(sku, 1, value) for sku, value in zip(("X", "Y", "Z", "OWN"), (100, 60, 40, 60), strict=True)),
    ]
    stock = [{one.sku: 1 for one in items if one.sku != "OWN"}, {"OWN": 1, "X": 1, "Y": 1}]
    assert Search(items, stock, divides=False).best(2, 110).loads[1] == {43: 1, 41: 1}


def test_a_site_does_not_give_a_part_of_a_line_that_must_stay_whole():
    items = [*(PackItem(f"S{number}", 1, 100) for number in range(40)), PackItem("X", 2, 500), PackItem("OWN", 1, 10)]
    stock = [{one.sku: one.quantity for one in items if one.sku != "OWN"}, {"OWN": 1, "X": 1, "S3": 1}]
    assert Search(items, stock, divides=False).best(2, 100).loads[1] == {41: 1, 3: 1}
    assert Search(items, stock, divides=True).best(2, 100).loads[1] == {41: 1, 40: 1}


@pytest.mark.parametrize("divides", [False, True])
def test_a_thousand_lines_and_fifty_sites_are_bounded(divides):
    items = [PackItem(f"S{number // 3}", 1 + number % 4, number) for number in range(1000)]
    stock = [{f"S{number}": (number + 7 * site) % 9 for number in range(334)} for site in range(1, 51)]
    search = Search(items, stock, divides=divides, nodes=500)
    assert search.unplaceable() == ()
    answer = search.best(50)
    assert faults(answer.loads, items, stock, divides=divides) == []
    assert search.is_cut_off
