import pytest

from domain.order import MemberLevel, OrderType, Source
from domain.rules import InvalidRules, parse_rules


def leaves(table, path=()):
    for key, value in table.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


def put(tree, path, value):
    *way, last = path.split(".")
    for key in way:
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    tree[last] = value


def test_the_packaged_rules_are_whole(rules):
    assert set(rules.lanes.source) == set(Source)
    assert set(rules.lanes.order_type) == set(OrderType)
    assert set(rules.lanes.member_level) == set(MemberLevel)
    assert rules.review.approval_above == {}
    assert "待定" in rules.review.vague_words
    assert [courier.name for courier in rules.routing.couriers] == ["sf"]
    assert rules.ship_by.default_h == 48


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
        ("routing.courier_by_province.新疆", "ems", "routing.courier_by_province.新疆"),
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
    rules = parse_rules(mapping)
    assert rules.routing.preferred_locations == {"浙江": ("jx", "hz"), "上海": ("jx", "hz")}
    assert rules.routing.courier_by_province == {"西藏": "sf"}
    assert rules.review.sensitive_words == ("lawsuit",)
    assert rules.review.approval_above == {"JPY": 60000}


def test_a_rule_set_cannot_be_changed_in_place(rules):
    with pytest.raises(TypeError):
        rules.lanes.source[Source.LIVE] = 0
