"""Pinduoduo's signatures beside values that others have published or written out."""

from adapters.platforms.pinduoduo.sign import SIGNERS, sign, socket_digest

OFFICIAL = {
    "access_token": "asd78172s8ds9a921j9qqwda12312w1w21211",
    "client_id": "1",
    "data_type": "XML",
    "order_status": "1",
    "page": "1",
    "page_size": "10",
    "timestamp": "1480411125",
    "type": "pdd.order.number.list.get",
}


def test_the_vendor_s_own_sample():
    assert sign(OFFICIAL, b"testSecret") == "E4DE3ED21002510DED352819E7AE6775"


def test_a_sign_that_is_there_already_is_not_signed():
    assert sign({**OFFICIAL, "sign": "X"}, b"testSecret") == sign(OFFICIAL, b"testSecret")


def test_names_sort_by_bytes_and_values_are_signed_as_they_are():
    assert sign({"b": "二", "B": "1", "_": "&="}, b"s") == sign(
        dict(reversed({"b": "二", "B": "1", "_": "&="}.items())), b"s"
    )
    assert sign({"a": "1", "b": "2"}, b"s") != sign({"a": "12", "b": ""}, b"s")


def test_the_socket_s_digest_is_base64_of_the_hex_text():
    digest = socket_digest("cid-1", "1748752267000", b"5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5")
    assert digest == "ZmMxZjBiZTY3OGM4YzM3NjJjMDE4OTNmYzg5M2UxODY="


def test_rows_of_a_file_of_vectors_are_signed():
    row = {"secret": "testSecret", "params": {**OFFICIAL, "page": 1}}
    assert SIGNERS["pdd-md5"](row).value == "E4DE3ED21002510DED352819E7AE6775"
    row = {
        "secret": "5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5",
        "timestamp": 1748752267000,
        "params": {"client_id": "cid-1"},
    }
    assert SIGNERS["pdd-pmc-digest"](row).value.startswith("ZmMx")
