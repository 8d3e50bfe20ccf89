"""Whatever another side answers, none of its words stand in an error of ours."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels import tencent_sms
from adapters.couriers.sf.faults import BUSINESS_FAULTS, GATEWAY_FAULTS
from adapters.couriers.sf.translate import read_envelope
from adapters.foreign import code_of, is_waybill, sentence
from adapters.payload import Fields
from adapters.platforms.taobao.faults import ACCOUNT_FAULTS, LOGISTICS_FAULTS, PHRASES, fault_of, read_error
from adapters.platforms.taobao.lines import unknown_status
from domain.errors import EVIDENCE_MAX_BYTES, FulfilmentError, Malformed, evidence_of, keep_evidence
from domain.retry import causes_of

NAME, PHONE, PLACE, DETAIL = "欧阳小满", "13812345678", "浙江省杭州市西湖区", "文三路1203弄5号楼"
TRADITIONAL = str.maketrans("欧阳满杭区楼号", "歐陽滿杭區樓號")
FULL_WIDTH = str.maketrans("0123456789", "".join(map(chr, range(0xFF10, 0xFF1A))))


def spaced(text):
    return " ".join(text)


def reversed_(text):
    return text[::-1]


WAYS = [
    str,
    spaced,
    reversed_,
    lambda text: text.translate(FULL_WIDTH),
    lambda text: text.translate(TRADITIONAL),
    lambda text: text[: max(3, len(text) // 2)],
    lambda text: f"\x1b[31m{text}\u202e",
    "-".join,
    lambda text: f"{text} is not deliverable",
]
quotes = st.builds(
    lambda parts, way, glue: way(glue.join(parts)),
    st.permutations([NAME, PHONE, PLACE, DETAIL]).flatmap(
        lambda parts: st.integers(1, 4).map(lambda count: parts[:count])
    ),
    st.sampled_from(WAYS),
    st.sampled_from(["", " ", ",", "\n"]),
)


def said(error):
    return json.dumps(
        [str(error), repr(error), error.code, error.message, error.facts, causes_of(error)],
        ensure_ascii=False,
        default=str,
    )


def raised(call, *args, **options):
    with pytest.raises(FulfilmentError) as caught:
        call(*args, **options)
    return caught.value


def courier_answers(code, quote):
    inner = json.dumps({"success": False, "errorCode": code, "errorMsg": quote})
    yield json.dumps({"apiResultCode": "A1000", "apiResultData": inner}).encode()
    yield json.dumps({"apiResultCode": code, "apiErrorMsg": quote, "apiResultData": ""}).encode()


@given(st.sampled_from(["8196", "9999", "", *BUSINESS_FAULTS, *GATEWAY_FAULTS]) | quotes, quotes)
def test_no_word_of_a_courier_stands_in_an_error(code, quote):
    for body in courier_answers(code, quote):
        assert not leaks(said(raised(read_envelope, body, is_idempotent=False)))


top_codes = st.sampled_from([*ACCOUNT_FAULTS, 7, 10, 15, 530, "x"]) | quotes
sub_codes = st.sampled_from(["", "isv.a:B01", "isp.x", *(f"isv.x:{tail}" for tail in LOGISTICS_FAULTS)]) | quotes


@given(top_codes, sub_codes, quotes, st.booleans())
def test_no_word_of_a_platform_stands_in_an_error(code, sub_code, quote, is_read):
    fields = Fields({"code": code, "sub_code": sub_code, "msg": quote, "sub_msg": quote}, "", Malformed)
    error = fault_of(read_error(fields), is_read=is_read, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert not leaks(said(error))
    assert error.code in PHRASES or error.code == "platform_refused"


@given(quotes)
def test_no_word_of_a_channel_or_status_stands_in_an_error(quote):
    body = json.dumps({"Response": {"Error": {"Code": quote, "Message": quote}}}).encode()
    assert not leaks(said(raised(tencent_sms.read_sent, body, "e")))
    assert not leaks(said(unknown_status("status", quote)))


def test_control_the_old_masking_let_paraphrases_through():
    """What was done before: the sent values and phone numbers replaced where they stood as they were sent."""
    quote = spaced(DETAIL)
    for value in (NAME, PHONE, PLACE, DETAIL):
        quote = quote.replace(value, "***")
    assert leaks(quote)


def leaks(text):
    """Three characters of the receiver in a row with a Han one among them, or seven digits of the number.

    Blanks, marks, width, script and direction are taken away first. Six digits alone may be a code.
    """
    bare = plain(text)
    han = [piece[at : at + 3] for piece in both(NAME, DETAIL, PLACE) for at in range(len(piece) - 2)]
    digits = [piece[at : at + 7] for piece in both(PHONE) for at in range(len(piece) - 6)]
    return any(part in bare for part in [*digits, *(part for part in han if not part.isascii())])


def both(*texts):
    return [turned for text in texts for turned in (plain(text), plain(text)[::-1])]


def plain(text):
    back = {wide: chr(wide_at - 0xFF10 + 0x30) for wide_at in range(0xFF10, 0xFF1A) for wide in [chr(wide_at)]}
    simple = dict(zip("歐陽滿區樓號", "欧阳满区楼号", strict=True))
    return "".join(simple.get(one, back.get(one, one)) for one in text if one.isalnum())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("8196", "8196"),
        ("isv.trade-not-exist:B01", "isv.trade-not-exist:B01"),
        ("a" * 64, "a" * 64),
        ("a" * 65, ""),
        ("", ""),
        ("甲", ""),
        ("8196 ", ""),
        ("8196\n", ""),
        ("13800000001", ""),
        ("138-0000-0001", ""),
        ("１２３", ""),
    ],
)
def test_a_code_has_the_form_of_one(text, code):
    assert code_of(text) == code


def test_our_sentence_with_and_without_a_code():
    assert sentence({"a": "it is so"}, "a", "12", "no") == "it is so (code 12)"
    assert sentence({}, "a", "甲 乙", "the courier refused") == "the courier refused"


@pytest.mark.parametrize(("text", "is_one"), [("SF1390010300412", True), ("", False), ("甲", False), ("a b", False)])
def test_a_waybill_has_the_form_of_one(text, is_one):
    assert is_waybill(text) is is_one


def test_evidence_is_short_and_stands_in_no_text():
    error = Malformed("a", "b")
    keep_evidence(error, PHONE.encode() * 10_000)
    keep_evidence(error, b"later")
    assert len(evidence_of(error)) == EVIDENCE_MAX_BYTES
    assert PHONE not in said(error)


def test_evidence_is_found_behind_an_error_that_hides_its_cause():
    def chained():
        first = Malformed("a")
        keep_evidence(first, b"answer")
        try:
            raise first
        except Malformed:
            raise Malformed("b") from None

    assert evidence_of(raised(chained)) == b"answer"
    assert evidence_of(ValueError()) == b""
