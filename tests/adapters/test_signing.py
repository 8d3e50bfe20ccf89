import json
from pathlib import Path

import pytest

from adapters.couriers import sf
from adapters.platforms.taobao.sign import sign
from adapters.signing import check_vectors
from domain.errors import Misconfigured
from sandbox.signatures import warehouse_signature

PARAMS = {"method": "m", "page_no": 3, "use_has_next": True, "buyer_nick": "", "x": None, "城": "京"}
SENT = {"method": "m", "page_no": "3", "use_has_next": "true", "城": "京"}
TOP = {
    "platform": "taobao",
    "algorithm": "top-md5",
    "case": "types",
    "secret": "s",
    "params": PARAMS,
    "expected": sign(SENT, b"s", "md5"),
}
BODY = '{"remark":"*~ 张"}'
SF = {
    "courier": "sf",
    "scheme": "msgDigest",
    "case": "text",
    "secret": "w",
    "body": BODY,
    "timestamp": "1793500800123",
    "expected": sf.sign(BODY, "1793500800123", "w"),
    "also": {"variant_without_url_encoding": sf.sign(BODY, "1793500800123", "w", without_url_encoding=True)},
    "must_not_be": {"a common mistake": "AAAA"},
}


@pytest.fixture
def check(tmp_path):
    def run(*rows, **filters):
        path = tmp_path / "vectors.json"
        path.write_text(json.dumps({"vectors": rows}))
        return check_vectors(path, **filters)

    return run


def test_rows_pass(check):
    legacy = {**SF, "scheme": "legacy BSP verifyCode", "timestamp": None, "also": {}, "must_not_be": {}}
    legacy["expected"] = sf.sign_legacy(BODY, "w")
    by_hex = {**TOP, "secret": None, "secret_hex": "73"}
    by_hex.pop("secret")

    checked = check(TOP, by_hex, SF, legacy)

    assert (checked.passed, checked.failures, checked.skipped) == (4, (), 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**TOP, "expected": TOP["expected"].lower()}, "value differs"),
        ({**TOP, "expected": None}, "value differs"),
        ({**TOP, "secret": "other"}, "value differs"),
        ({**TOP, "params": [1]}, "row unreadable: AttributeError"),
        ({key: value for key, value in TOP.items() if key != "secret"}, "row unreadable: KeyError"),
        ({**SF, "also": {"variant_without_url_encoding": "x"}}, "variant variant_without_url_encoding differs"),
        ({**SF, "also": {"unheard of": "x"}}, "variant unheard of differs"),
        ({**SF, "must_not_be": {"twice": SF["expected"]}}, "gives what a mistake gives: twice"),
        ({**TOP, "algorithm": "top-quantum"}, "no signer for this algorithm"),
        ({**TOP, "platform": "pigeon"}, "no signer for this algorithm"),
    ],
)
def test_rows_fail_with_a_reason(check, row, reason):
    checked = check(row)

    assert (checked.passed, [failure.reason for failure in checked.failures]) == (0, [reason])


def test_a_filter_leaves_out_the_others(check):
    other = {**TOP, "platform": "jd"}

    only = check(TOP, SF, other, platform="taobao")
    assert (only.passed, only.failures, only.skipped) == (1, (), 2)
    both = check(TOP, SF, other, platform="taobao", courier="sf")
    assert (both.passed, both.skipped) == (2, 1)
    assert len(check(TOP, SF, other).failures) == 1


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '{"vectors": {}}', "7"])
def test_an_unreadable_file_is_misconfigured(tmp_path, text):
    path = tmp_path / "v.json"
    path.write_text(text)
    with pytest.raises(Misconfigured):
        check_vectors(path)
    with pytest.raises(Misconfigured):
        check_vectors(tmp_path / "none.json")


def test_the_web_hook_and_the_feed_have_signers_too(check):
    hook = {
        "channel": "webhook",
        "algorithm": "standard-webhooks",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "timestamp": "1614265330",
        "params": {"id": "msg_p5jXN8AQM9LWM0D4loKWxJek"},
        "body": '{"test": 2432232314}',
        "expected": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert check(hook, channel="webhook").passed == 1
    assert check({**hook, "secret": "plain"}).failures[0].reason == "row unreadable: Misconfigured"


VECTORS = Path(__file__).parents[2] / "docs" / "reference" / "warehouse-feed-vectors.json"


def test_the_published_vectors_of_the_feed_are_what_both_sides_compute():
    """The sandbox has a signer of its own, written from the page."""
    rows = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    checked = check_vectors(VECTORS, channel="feed")
    assert (checked.passed, checked.failures) == (len(rows), ())
    assert {row["method"] for row in rows} == {"GET", "POST"}
    for row in rows:
        body = row["body"].encode() if "body" in row else None
        signature = warehouse_signature(row["method"], row["path_and_query"], row["timestamp"], row["secret"], body)
        assert signature == row["expected"], row["case"]


@pytest.mark.parametrize(
    "changed", [{"body": "{}"}, {"method": "PUT"}, {"timestamp": "1795312801"}, {"secret": "other"}]
)
def test_a_signature_of_the_feed_covers_every_part(check, changed):
    row = next(row for row in json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"] if row["method"] == "POST")
    assert check({**row, "must_not_be": {}, **changed}).failures[0].reason == "value differs"
