import json

import pytest

from infra.telemetry.terminal_text import in_json, in_line, in_lines

OBEYED = ["\x1b[31m", "\x9b1m", "\x07", "\x7f", "\r", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028"]


@pytest.mark.parametrize("text", OBEYED)
def test_what_a_terminal_obeys_is_shown(text):
    for shown in (in_line(f"a{text}b"), in_lines(f"a{text}b")):
        assert shown.isprintable()
        assert shown.startswith("a\\")


def test_line_feeds_are_kept_where_text_is_laid_out():
    assert in_lines("a\nb") == "a\nb"
    assert in_line("a\nb") == "a\\nb"


@pytest.mark.parametrize("text", ["连衣裙 👗 é", "a b"])
def test_other_text_is_left_alone(text):
    assert in_line(text) == in_lines(text) == in_json(text) == text


def test_json_keeps_its_meaning():
    value = {"title": "".join(OBEYED)}
    shown = in_json(json.dumps(value, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == value
