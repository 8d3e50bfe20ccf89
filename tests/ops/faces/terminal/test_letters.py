from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from domain.money import Money
from infra.tables.letters import Letter, LetterCause, WholeLetter
from ops.faces.terminal.letters import print_causes, print_letter, print_letters

DIED = datetime(2026, 11, 22, 16, 1, 2, tzinfo=UTC)
LETTER = {
    "id": 13,
    "step": "label",
    "account": "sf/main",
    "code": "sf_8057",
    "fingerprint": "06719a963ec583bf",
    "lane": "p1",
    "attempts": 3,
    "crashes": 0,
    "replays": 0,
    "opened_at": DIED,
    "due_at": DIED + timedelta(hours=2),
    "owner": "engineering",
    "order_id": 64,
    "order_name": "taobao/shop-2/1839275800779881129",
    "at_risk": Money(169_699, "CNY"),
}


@pytest.fixture
def shown(capsys):
    """What a face prints on a terminal of so many columns, line by line."""

    def shown(face, *what, columns=100):
        face(*what, Console(width=columns, highlight=False, markup=False, emoji=False))
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return shown


def cause(number=1, code="connection_failed", **changes):
    return LetterCause(
        **{
            "fingerprint": f"{number:08x}aaaaaaaa",
            "step": "label",
            "adapter": "sf",
            "code": code,
            "message": "no",
            "letters": 12,
            "orders": 12,
            "at_risk": (Money(629_920, "CNY"),),
            "first_seen": DIED,
            "last_seen": DIED + timedelta(hours=1),
            **changes,
        }
    )


def test_a_cause_is_one_line_with_all_that_tells_it_apart(shown):
    _, _, line = shown(print_causes, [cause()], 30)
    assert line.split() == [
        *("12", "12", "6299.20", "CNY", "label", "sf", "connection_failed", "11-23", "00:01–01:01", "00000001"),
    ]


def test_a_narrow_terminal_folds_between_words_only(shown):
    lines = shown(print_causes, [cause()], 30, columns=80)
    assert all(len(line) <= 80 for line in lines)
    for word in ("6299.20 CNY", "connection_failed", "11-23 00:01–01:01", "00000001"):
        assert any(word in line for line in lines)


@pytest.mark.parametrize(
    ("hours", "span"), [(0, "11-23 00:01 "), (1, "11-23 00:01–01:01"), (24, "11-23 00:01–11-24 00:01")]
)
def test_first_and_last_seen_name_a_day_once(shown, hours, span):
    assert span in shown(print_causes, [cause(last_seen=DIED + timedelta(hours=hours))], 30)[2]


def test_only_the_biggest_causes_are_listed(shown):
    lines = shown(print_causes, [cause(number) for number in range(5)], 3)
    assert (lines[0], len(lines), lines[-1]) == (
        "60 open dead letters of 5 causes",
        6,
        "and 2 smaller causes: --limit 5",
    )


def test_money_of_several_currencies_stands_one_below_the_other(shown):
    lines = shown(print_causes, [cause(at_risk=(Money(100, "CNY"), Money(200, "USD")))], 30)
    assert ["1.00 CNY" in lines[2], lines[3].strip()] == [True, "2.00 USD"]


def test_a_letter_of_a_list_names_its_order_whole_even_on_a_narrow_terminal(shown):
    lines = shown(print_letters, [Letter(**LETTER | {"replays": 2})], 13, columns=80)
    assert "label sf/main sf_8057, 2 replays" in lines[1]
    assert lines[2].strip() == LETTER["order_name"]
    assert lines[-1] == "more: --after 13"


def whole(causes):
    more = {"subject_id": 25, "fulfillment_order_id": 25, "causes": causes, "worker": 7, "code_version": "0.1.0"}
    ends = dict.fromkeys(("closed_at", "closed_as", "closed_by", "closed_reason"))
    return WholeLetter(**LETTER, **more, **ends, rules_version="8a2856430103")


def test_every_try_has_its_own_time_and_the_first_real_error_stays_visible(shown):
    reset = {"code": "reset", "message": "connection reset", "at": "adapters/http_client.py:12", "behind": []}
    refused = {"code": "sf_8057", "message": "寄件人地址不详", "at": "", "behind": [{"code": "", "type": "OSError"}]}
    tries = [
        cause | {"attempt": attempt, "when": f"2026-11-22T15:5{attempt}:00+00:00"}
        for attempt, cause in enumerate((reset, reset, refused), start=1)
    ]
    lines = shown(print_letter, whole(tries), None)
    assert [line for line in lines if line.startswith(("try", "because"))] == [
        "try 1        11-22 23:51:00  reset: connection reset at adapters/http_client.py:12",
        "try 2        11-22 23:52:00  the same",
        "try 3        11-22 23:53:00  sf_8057: 寄件人地址不详",
        "because of   OSError",
    ]
    for part in ("worker 7   code 0.1.0   rules 8a2856430103", "orderlane order show 64", "06719a963ec583bf"):
        assert any(part in line for line in lines)


def test_a_try_without_a_time_says_so(shown):
    assert "try ?        time unknown  x" in shown(print_letter, whole([{"code": "x"}]), None)
