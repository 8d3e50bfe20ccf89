import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.views.masking import mask_name, mask_phone


@pytest.mark.parametrize(
    ("name", "masked"),
    [("张三", "张*"), ("欧阳娜娜", "欧*"), ("Maria Schmidt", "M*"), ("张", "*"), ("张**", "张*"), ("", ""), ("  ", "")],
)
def test_a_name_keeps_its_first_character_at_most(name, masked) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13812345678", "138********"),
        ("021-64331234", "021*********"),
        ("138****5678", "138********"),
        ("95338", "*****"),
        ("", ""),
    ],
)
def test_a_phone_keeps_its_area_at_most(phone, masked) -> None:
    assert mask_phone(phone) == masked


@given(st.text(min_size=2).filter(str.strip))
def test_no_name_is_shown_whole(name) -> None:
    plain = name.strip()
    assert mask_name(name) != plain or plain[1:] == "*"
    assert len(mask_name(name)) <= 2


@given(st.text(alphabet="0123456789", min_size=1, max_size=20))
def test_the_last_four_digits_of_a_phone_never_show(phone) -> None:
    assert set(mask_phone(phone)[-4:]) == {"*"}
