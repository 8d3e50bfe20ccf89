import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.signatures import java_url_encode, pdd_sign, same, sf_digest, tc3_signature, top_sign, webhook_signature

FACTS = Path(os.environ.get("ORDERLANE_FACTS") or Path(__file__).parents[3] / "shared" / "facts")
METHODS = {"top-md5": "md5", "top-tmc-connect": "md5", "top-hmac-md5": "hmac", "top-hmac-sha256": "hmac-sha256"}

# Printed by the vendor in its calling guide; RFC 2202 case 1 and RFC 4231 case 2 give the two HMACs.
OFFICIAL_CALL = {
    "method": "taobao.item.seller.get",
    "app_key": "12345678",
    "session": "test",
    "timestamp": "2016-01-01 12:00:00",
    "format": "json",
    "v": "2.0",
    "sign_method": "md5",
    "fields": "num_iid,title,nick,price,num",
    "num_iid": "11223344",
}
PUBLISHED = [
    ("md5", b"helloworld", OFFICIAL_CALL, "66987CB115214E59E6EC978214934FB8"),
    ("hmac", b"\x0b" * 16, {"Hi": " There"}, "9294727A3638BB1C13F48EF8158BFC9D"),
    (
        "hmac-sha256",
        b"Jefe",
        {"what do ya want ": "for nothing?"},
        "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843",
    ),
]


def rows(file: str, key: str, name: str) -> list[dict]:
    path = FACTS / file
    if not path.is_file():
        return []
    return [row for row in json.loads(path.read_text())["vectors"] if row[key] == name]


def text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("method", "secret", "params", "expected"), PUBLISHED)
def test_published_top_signatures(method, secret, params, expected):
    assert top_sign(params, secret, method) == expected


def test_top_rows_of_the_vector_files():
    for row in rows("signature-vectors.json", "platform", "taobao"):
        if row["algorithm"] in METHODS:
            secret = bytes.fromhex(row["secret_hex"]) if "secret_hex" in row else row["secret"].encode()
            params = {name: text(value) for name, value in row["params"].items()}
            assert top_sign(params, secret, METHODS[row["algorithm"]]) == row["expected"], row["case"]


def test_sf_rows_of_the_vector_files():
    for row in rows("courier-signature-vectors.json", "courier", "sf"):
        if row["scheme"] == "msgDigest":
            digest = sf_digest(row["body"], row["timestamp"], row["secret"])
            assert digest == row["expected"], row["case"]
            assert digest not in row.get("must_not_be", {}).values()


def test_sms_rows_of_the_vector_files():
    for row in rows("courier-signature-vectors.json", "courier", "tencent-sms"):
        params, timestamp = row["params"], str(row["timestamp"])
        headers = {
            "content-type": params["content-type"],
            "host": params["host"],
            "x-tc-action": params["action"] or "",
        }
        day = datetime.fromtimestamp(row["timestamp"], UTC).strftime("%Y-%m-%d")
        scope = f"{day}/{params['service']}/tc3_request"
        signature = tc3_signature(
            row["body"].encode(),
            headers,
            signed=params["signed_headers"],
            timestamp=timestamp,
            scope=scope,
            secret=row["secret"],
        )
        assert signature == row["expected"], row["case"]


def test_the_guide_s_example_of_the_cloud_signature():
    signature = tc3_signature(
        rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
        {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"},
        signed="content-type;host",
        timestamp="1551113065",
        scope="2019-02-25/cvm/tc3_request",
        secret="Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
    )
    assert signature == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"


def test_java_keeps_the_asterisk_and_encodes_the_tilde():
    assert java_url_encode("a*b~c d-e_f.g/é") == "a*b%7Ec+d-e_f.g%2F%C3%A9"


def test_the_sign_and_empty_values_are_not_signed():
    assert top_sign({"a": "1", "b": "", "sign": "x"}, b"s", "md5") == top_sign({"a": "1"}, b"s", "md5")


def test_unknown_sign_method():
    with pytest.raises(ValueError, match="sign_method"):
        top_sign({}, b"s", "sha1")


def test_the_published_example_of_the_web_hook_specification():
    signature = webhook_signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_web_hook_secret_without_its_prefix_is_no_secret():
    with pytest.raises(ValueError, match="whsec_"):
        webhook_signature("id", "1", b"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_signatures_with_any_letters_can_be_compared():
    assert not same("ABC", "签名")


def test_pinduoduo_s_own_sample():
    """Printed in the vendor's signing guide."""
    form = {
        "access_token": "asd78172s8ds9a921j9qqwda12312w1w21211",
        "client_id": "1",
        "data_type": "XML",
        "order_status": "1",
        "page": "1",
        "page_size": "10",
        "timestamp": "1480411125",
        "type": "pdd.order.number.list.get",
    }
    assert pdd_sign(form, "testSecret") == "E4DE3ED21002510DED352819E7AE6775"
    assert pdd_sign({**form, "sign": "X"}, "testSecret") == "E4DE3ED21002510DED352819E7AE6775"
