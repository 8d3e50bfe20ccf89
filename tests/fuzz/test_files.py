"""Hostile files through ``orderlane normalize``: an order, a hold or a quarantine, and nothing a terminal obeys."""

import json
import unicodedata
from collections import Counter

import pytest
from click.testing import CliRunner

from sandbox.mutations import DATES, DEPTHS, NUMBERS, RAW, TEXTS, Mutations
from workers.main import main

MUTATED = 120
# Line feeds lay the answer out. A format character may be in JSON where no terminal obeys it.
OBEYED = {"Cc", "Cs", "Zl", "Zp"}
BIDI = set(map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
FIELDS = ("pay_time", "seller_flag", "buyer_message")
PLACE = "\ue000here"


def spoiled(trade: dict, field: str, raw: str) -> bytes:
    """The trade with `raw` where the field's value stood."""
    text = json.dumps({"trade": {**trade, field: PLACE}}, ensure_ascii=False)
    return text.replace(json.dumps(PLACE, ensure_ascii=False), raw).encode("utf-8", "surrogatepass")


def files(trades) -> list[bytes]:
    trade = trades[0]["trade_fullinfo_get_response"]["trade"]
    values = [*NUMBERS, *RAW, *(json.dumps(text, ensure_ascii=False) for text in (*DATES, *TEXTS))]
    made = [spoiled(trade, field, value) for field in FIELDS for value in values]
    for opener, closer in (("[", "]"), ('{"a":', "}")):
        made += [(opener * depth + "1" + closer * depth).encode() for depth in DEPTHS]
        made += [spoiled(trade, "unread", opener * depth + "1" + closer * depth) for depth in DEPTHS]
    mutations = Mutations(5)
    made += [mutations.of(trades[number % len(trades)]) for number in range(MUTATED)]
    return [*made, b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"null", b"0", b"\x1b[2J", b'{"trade":' * 3_000]


def is_obeyed(text: str) -> bool:
    return any((unicodedata.category(each) in OBEYED and each != "\n") or each in BIDI for each in text)


def test_hostile_files_end_in_one_line_or_an_order(trades, personal_in, tmp_path):
    made, place, ends = files(trades), tmp_path / "trade.json", Counter()
    secrets = personal_in(trades)
    assert len(made) >= 365
    for number, body in enumerate(made):
        place.write_bytes(body)
        result = CliRunner().invoke(main, ["normalize", "--platform", "taobao", str(place)])
        ends[result.exit_code] += 1
        shown = (number, body[-200:], result.exit_code, result.stderr)
        assert result.exit_code in {0, 3, 4}, shown
        assert result.exception is None or isinstance(result.exception, SystemExit), shown
        assert "Traceback" not in result.output, shown
        assert not is_obeyed(result.stdout + result.stderr), shown
        assert not [secret for secret in secrets if secret in result.stderr], shown
        assert result.stderr.count("\n") == (result.exit_code == 4), shown
        assert bool(result.stdout) == (result.exit_code != 4), shown
    print(f"{len(made)} files, {dict(ends)}")  # noqa: T201 - the report of a long run
    assert ends[0]
    assert ends[3]
    assert ends[4]


@pytest.mark.parametrize("text", ["\x1b[31m", "\x9b", "\x07", "\u202e", "\u2028"])
def test_the_control_a_plain_print_of_it_would_be_obeyed(text):
    assert is_obeyed(f"a{text}b")
