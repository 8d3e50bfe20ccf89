from importlib import resources

import pytest

from domain.errors import Misconfigured
from infra.config.rules import load_rules


def test_the_packaged_rules_load():
    assert load_rules().ship_by.default_h == 48


def test_a_named_file_replaces_them(tmp_path):
    text = (resources.files("domain") / "default_rules.toml").read_text(encoding="utf-8")
    file = tmp_path / "rules.toml"
    file.write_text(text.replace("default_h = 48", "default_h = 24"), encoding="utf-8")
    rules = load_rules(str(file))
    assert rules.ship_by.default_h == 24
    assert rules.version != load_rules().version


def test_a_file_of_an_earlier_version_still_loads(tmp_path):
    text = (resources.files("domain") / "default_rules.toml").read_text(encoding="utf-8")
    split = text[text.index("[routing.split]") : text.index("[[routing.couriers]]")]
    file = tmp_path / "rules.toml"
    file.write_text(text.replace(split, "").replace('refund_asked_holds = "order"', ""), encoding="utf-8")
    rules = load_rules(str(file))
    assert rules.borrowed == ("review.refund_asked_holds", "routing.split")
    assert rules.routing == load_rules().routing
    assert load_rules().borrowed == ()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[lanes]\np1_at = 'x'\n", "rules_invalid"),
        (b"[lanes", "rules_unreadable"),
        (b"\xff\xfe", "rules_unreadable"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, content, code):
    file = tmp_path / "rules.toml"
    file.write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        load_rules(str(file))
    assert caught.value.code == code
    assert caught.value.facts == ({"key": "lanes.p1_at"} if code == "rules_invalid" else {})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Misconfigured, match="no rules file at") as caught:
        load_rules(str(tmp_path / "nothing.toml"))
    assert caught.value.code == "rules_missing"
