from hypothesis import given
from hypothesis import strategies as st

from adapters.couriers.sf.sign import java_url_encode as encode
from adapters.couriers.sf.sign import sign
from sandbox.signatures import java_url_encode, sf_digest


def test_the_java_encoder_keeps_the_asterisk_and_encodes_the_tilde():
    assert encode("A*1~2 (张)-_.!'") == "A*1%7E2+%28%E5%BC%A0%29-_.%21%27"


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
def test_an_independent_implementation_agrees(body, word):
    assert encode(body) == java_url_encode(body)
    assert sign(body, "1793500800123", word) == sf_digest(body, "1793500800123", word)


def test_half_an_emoji_can_be_signed():
    assert sign("\ud83d", "1", "W")
