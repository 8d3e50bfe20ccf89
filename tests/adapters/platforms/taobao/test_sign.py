import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.taobao.sign import SIGN_METHODS, sign, sign_connect, sign_inbound
from sandbox.signatures import top_sign

# The example of the vendor's calling guide.
GUIDE = {
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


def test_the_guide_s_example():
    assert sign(GUIDE, b"helloworld", "md5") == "66987CB115214E59E6EC978214934FB8"


def test_a_published_hmac_with_a_binary_key():
    # RFC 2202, case 1.
    assert sign({"Hi": " There"}, b"\x0b" * 16, "hmac") == "9294727A3638BB1C13F48EF8158BFC9D"


def test_empty_values_and_the_sign_itself_are_left_out():
    assert sign({**GUIDE, "buyer_nick": "", "sign": "X"}, b"helloworld", "md5") == sign(GUIDE, b"helloworld", "md5")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize("method", SIGN_METHODS)
@given(params=st.dictionaries(texts, texts), secret=st.binary(max_size=40))
def test_an_independent_implementation_agrees(method, params, secret):
    assert sign(params, secret, method) == top_sign(params, secret, method)


def test_message_channel():
    text = b"SECRETapp_key1group_namedefaulttimestamp1748752267000SECRET"
    expected = hashlib.md5(text).hexdigest().upper()  # noqa: S324 - the vendor's protocol
    assert sign_connect("1", "default", "1748752267000", b"SECRET") == expected


def test_inbound_call_covers_query_listed_headers_and_body():
    headers = {"Top-Sign-List": "x-a,x-b", "X-A": "1", "X-B": "2", "X-C": "3"}
    text = b'Sq1vx-a1x-b2{"k":1}S'
    expected = hashlib.md5(text).hexdigest().upper()  # noqa: S324 - the vendor's protocol
    given_sign = sign_inbound({"q1": "v", "sign": "?"}, headers, b'{"k":1}', b"S")
    assert hmac.compare_digest(given_sign, expected)
