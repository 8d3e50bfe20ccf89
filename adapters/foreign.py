"""What may be shown of the other side's answer: its code and a sentence of ours, never its own words.

An answer that refuses an address may quote the address: with blanks inserted, in full-width digits, shortened, in
another order or script. No comparison with the request finds all of these, so the answer is not searched. The answer as
it came stays with the error as evidence (`domain.errors`), which the engine stores in Postgres next to the order.
"""

import re
from collections.abc import Mapping

CODE = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
# The most digits of a code. Codes of couriers, platforms and channels have fewer, phone numbers have more.
_DIGITS_MAX = 6
_WAYBILL = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)


def code_of(text: str, form: re.Pattern[str] = CODE) -> str:
    """The other side's code if it has the form of one, else an empty text. `form`: a narrower one than any code's."""
    digits = sum(character.isdigit() for character in text)
    return text if digits <= _DIGITS_MAX and CODE.fullmatch(text) and form.fullmatch(text) else ""


def is_waybill(text: str) -> bool:
    """Whether this may be stored and shown as a waybill number."""
    return _WAYBILL.fullmatch(text) is not None


def sentence(phrases: Mapping[str, str], name: str, code: str, unknown: str) -> str:
    """Our words for `name`, our own name of an error; else `unknown`. The other side's `code` follows where it is one.

    >>> sentence({"phone_blocked": "the courier blocks this phone number"}, "phone_blocked", "8196", "")
    'the courier blocks this phone number (code 8196)'
    """
    shown = code_of(code)
    return phrases.get(name, unknown) + (f" (code {shown})" if shown else "")
