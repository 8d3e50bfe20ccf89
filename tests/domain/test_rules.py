import pytest

from domain.order import MemberLevel, OrderSource, OrderType
from domain.rules import YOUNGER_KEYS, InvalidRules, RefundScope, SplitRules, WhenShort, parse_rules


def leaves(table, path=()):
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


def drop(tree, path):
    *way, last = path.split(".")
    for key in way:
        tree = tree[key]
    del tree[last]


def put(tree, path, value):
    *way, last = path.split(".")
    for key in way:
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    tree[last] = value


def test_the_packaged_rules_are_whole(rules):
    assert set(rules.lanes.source) == set(OrderSource)
    assert set(rules.lanes.order_type) == set(OrderType)
    assert set(rules.lanes.member_level) == set(MemberLevel)
    assert rules.review.approval_above == {}
    assert "待定" in rules.review.vague_words
    assert [courier.name for courier in rules.routing.couriers] == ["sf"]
    assert rules.ship_by.default_h == 48
    assert rules.routing.split == SplitRules(3, {}, WhenShort.HOLD)
    assert rules.review.refund_asked_holds is RefundScope.ORDER
    assert rules.borrowed == ()


def test_the_version_follows_the_content_alone(tree, rules):
    shuffled = dict(reversed(tree().items()))
    assert parse_rules(shuffled) == rules
    changed = tree()
    changed["ship_by"]["default_h"] = 24
    assert parse_rules(changed).version != rules.version
    assert len(rules.version) == 12


def test_every_key_is_required(tree):
    paths = list(leaves(tree()))
    assert len(paths) > 25
    for path in paths:
        broken = tree()
        table = broken
        for key in path[:-1]:
            table = table[key]
        del table[path[-1]]
        with pytest.raises(InvalidRules, match="is missing") as caught:
            parse_rules(broken)
        assert caught.value.key == ".".join(path)


@pytest.mark.parametrize("key", YOUNGER_KEYS)
def test_a_file_without_a_younger_key_borrows_it(tree, rules, key):
    old = tree()
    drop(old, key)
    read = parse_rules(old, tree())
    assert read.borrowed == (key,)
    assert (read.routing, read.review, read.version) == (rules.routing, rules.review, rules.version)
    assert key.split(".")[1] not in old[key.split(".")[0]], "the mapping of the caller is left alone"


def test_what_is_borrowed_is_part_of_the_version(tree):
    old, packaged = tree(), tree()
    drop(old, "routing.split")
    version = parse_rules(old, packaged).version
    put(packaged, "routing.split.max_parts", 7)
    read = parse_rules(old, packaged)
    assert read.routing.split.max_parts == 7
    assert read.version != version


@pytest.mark.parametrize("path", ["routing.regions", "routing.split.when_short", "review", "ship_by.default_h"])
def test_no_other_key_is_borrowed(tree, path):
    broken = tree()
    drop(broken, path)
    with pytest.raises(InvalidRules, match="is missing") as caught:
        parse_rules(broken, tree())
    assert caught.value.key == path


@pytest.mark.parametrize(("path", "value"), [("review.refund_asked_holds", "lines"), ("routing.split.max_parts", 1)])
def test_a_key_that_is_there_is_not_borrowed(tree, path, value):
    mapping = tree()
    put(mapping, path, value)
    read = parse_rules(mapping, tree())
    assert read.borrowed == ()
    assert value in (read.review.refund_asked_holds, read.routing.split.max_parts)


@pytest.mark.parametrize(
    "path",
    [
        "colour",
        "lanes.colour",
        "lanes.source.television",
        "lanes.order_type.colour",
        "lanes.member_level.colour",
        "review.colour",
        "routing.colour",
        "routing.couriers.0.colour",
        "routing.split.colour",
        "ship_by.colour",
    ],
)
def test_an_unknown_key_is_named(tree, path):
    broken = tree()
    put(broken, path, 1)
    with pytest.raises(InvalidRules, match="is not a rule") as caught:
        parse_rules(broken)
    assert caught.value.key == path.replace(".0.", "[0].")


REGION = {"provinces": ["浙江"], "locations": ["hz-1"]}


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("lanes", 1, "lanes"),
        ("lanes.p0_at", "90", "lanes.p0_at"),
        ("lanes.same_city", True, "lanes.same_city"),
        ("lanes.p0_at", 30, "lanes.p0_at"),
        ("lanes.in_stock", -1, "lanes.in_stock"),
        ("lanes.source.live", 0.5, "lanes.source.live"),
        ("review.vague_words", "待定", "review.vague_words"),
        ("review.vague_words", ["待定", " "], "review.vague_words"),
        ("review.sensitive_words", [1], "review.sensitive_words"),
        ("review.detail_min_chars", -1, "review.detail_min_chars"),
        ("review.approval_above.CNY", 3000, "review.approval_above.CNY"),
        ("review.approval_above.CNY", "3000.001", "review.approval_above.CNY"),
        ("routing.regions", {}, "routing.regions"),
        ("routing.regions", [1], "routing.regions[0]"),
        ("routing.regions", [REGION, REGION], "routing.regions[1].provinces"),
        ("routing.regions", [REGION | {"colour": 1}], "routing.regions[0].colour"),
        ("routing.couriers", [], "routing.couriers"),
        ("routing.couriers.0.name", "", "routing.couriers[0].name"),
        ("routing.couriers.0.service", 1, "routing.couriers[0].service"),
        ("routing.couriers.0.serves_remote", 1, "routing.couriers[0].serves_remote"),
        ("routing.couriers.0.account", "", "routing.couriers[0].account"),
        ("routing.couriers.0.account", "ems/main", "routing.couriers[0].account"),
        ("routing.courier_by_province.新疆", "ems", "routing.courier_by_province.新疆"),
        ("routing.courier_by_province.新疆", "ems/main", "routing.courier_by_province.新疆"),
        ("routing.split", "never", "routing.split"),
        ("routing.split.max_parts", 0, "routing.split.max_parts"),
        ("routing.split.least_part_value.CNY", 30, "routing.split.least_part_value.CNY"),
        ("routing.split.when_short", "ship", "routing.split.when_short"),
        ("routing.split.when_short", True, "routing.split.when_short"),
        ("review.refund_asked_holds", "nothing", "review.refund_asked_holds"),
        ("ship_by.default_h", 0, "ship_by.default_h"),
        ("ship_by.platform_h.pdd", 0, "ship_by.platform_h.pdd"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(tree, path, value, key):
    broken = tree()
    put(broken, path, value)
    with pytest.raises(ValueError, match=r".") as caught:
        parse_rules(broken)
    assert caught.value.key == key


def test_names_are_read_in_one_form(tree):
    mapping = tree()
    put(mapping, "routing.regions", [{"provinces": ["浙江省", "上海市"], "locations": ["jx", "hz"]}])
    put(mapping, "routing.courier_by_province.西藏自治区", "sf")
    put(mapping, "review.sensitive_words", [" Lawsuit "])
    put(mapping, "review.approval_above.JPY", "60000")
    put(mapping, "routing.split.least_part_value.CNY", "30.00")
    put(mapping, "routing.split.when_short", "ship_part")
    rules = parse_rules(mapping)
    assert rules.routing.preferred_locations == {"浙江": ("jx", "hz"), "上海": ("jx", "hz")}
    assert rules.routing.courier_by_province == {"西藏": "sf"}

    assert rules.review.sensitive_words == ("lawsuit",)
    assert rules.review.approval_above == {"JPY": 60000}
    assert rules.routing.split == SplitRules(3, {"CNY": 3000}, WhenShort.SHIP_PART)


def test_a_rule_set_cannot_be_changed_in_place(rules):
    with pytest.raises(TypeError):
        rules.lanes.source[OrderSource.LIVE] = 0


def test_a_rule_may_name_one_contract(tree):
    mapping = tree()
    put(mapping, "routing.couriers.0.account", "sf/cold")
    put(mapping, "routing.courier_by_province.广东", "sf/south")
    routing = parse_rules(mapping).routing
    assert routing.couriers[0].account == "sf/cold"
    assert routing.courier_by_province["广东"] == "sf/south"
