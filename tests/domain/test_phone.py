import pytest

from domain.phone import Unreachable, mobile_of


@pytest.mark.parametrize(
    "phone", ["13800000001", "+8613800000001", "+86 138 0000 0001", "008613800000001", "8613800000001"]
)
def test_a_mainland_mobile_number_in_any_dress(phone):
    assert mobile_of(phone) == "13800000001"


@pytest.mark.parametrize(
    ("phone", "reason"),
    [
        ("", "phone_absent"),
        (" ", "phone_absent"),
        ("138****0001", "phone_hidden"),
        ("*******0001", "phone_hidden"),
        ("13800000001-1234", "phone_virtual"),
        ("0571-87654321", "phone_not_mobile"),
        ("12345678901", "phone_not_mobile"),
        ("5511987654321", "phone_not_mobile"),
        ("138000000012", "phone_not_mobile"),
        ("１３８００００００００１", "phone_not_mobile"),
    ],
)
def test_what_cannot_be_sent_to_says_why(phone, reason):
    assert mobile_of(phone) == Unreachable(reason)


def test_a_number_that_the_platform_calls_its_own_is_not_sent_to():
    assert mobile_of("17000000001", is_virtual=True) == Unreachable("phone_virtual")
