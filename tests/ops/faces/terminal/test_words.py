import pytest

from domain.holds import HoldCode
from ops.faces.terminal.words import WORDS, cause_in_words


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        ("payload_received", {"source": "pull"}, "payload received by pull"),
        ("normalize_done", {"state": "paid", "lane": "p1", "reason": ""}, "enters as paid; lane p1"),
        ("normalize_done", {"state": "closed", "lane": "p1", "reason": "x"}, "enters as closed: x; lane p1"),
        ("normalize_done", {"amended": True}, "content changed on the platform"),
        ("reserve_done", {"reservation": "short", "skus": ["A", "B"]}, "stock short (A, B)"),
        (
            "review_moved",
            {"lane": "p0", "score": 130, "reasons": ["source live +60"], "rules": "ab12"},
            "lane p0 with 130 points; source live +60; rules ab12",
        ),
        ("route_moved", {"location": "wh1", "courier": "sf", "reasons": ["same city"]}, "from wh1 by sf; same city"),
        ("label_done", {"courier": "sf", "waybill": "SF1", "adopted": False}, "waybill SF1 of sf"),
        (
            "label_done",
            {"courier": "sf", "waybill": "SF1", "adopted": True},
            "waybill SF1 of sf (found there by our reference)",
        ),
        (
            "dispatch_done",
            {"location": "wh1", "document": "A-W1-1", "their_id": "17", "adopted": False},
            "handed to wh1 as A-W1-1",
        ),
        (
            "dispatch_done",
            {"location": "wh1", "document": "A-W1-1", "their_id": "17", "adopted": True},
            "found at wh1 as A-W1-1",
        ),
        ("dispatch_moved", {"location": "wh1", "code": "short"}, "location wh1; code short"),
        ("warehouse_picked", {}, "the warehouse has picked the goods"),
        ("writeback_done", {"waybill": "SF1", "told_now": True}, "the platform shows SF1"),
        (
            "writeback_done",
            {"waybill": "SF1", "told_now": False},
            "the platform shows SF1, written back by an earlier call",
        ),
        ("notify_done", {"event": "package.shipped", "notice": "told"}, "package.shipped told"),
        ("writeback_done", {"left_alone": "confirmed"}, "nothing to do: confirmed"),
        (
            "hold_opened",
            {"code": "amount_mismatch", "negative_amounts": 2},
            "hold amount_mismatch: the order's sums do not add up; negative amounts 2",
        ),
        ("hold_opened", {"code": "of_a_later_version"}, "hold of_a_later_version"),
        (
            "hold_opened",
            {"code": "refund_requested", "found_by": "label", "refunds": "7001"},
            "hold refund_requested: the buyer asked for a refund or cancelled; found by label; refund of 7001",
        ),
        (
            "letter_replayed",
            {"letter": 7, "by": "li", "reason": "courier is back"},
            "dead letter 7 replayed by li; reason courier is back",
        ),
        ("letter_superseded", {"letter": 7}, "dead letter 7 closed: the order moved on without it"),
        ("letter_discarded", {"letter": 7, "by": "li"}, "dead letter 7 discarded by li"),
        ("letter_reopened", {"letter": 7, "by": "li"}, "dead letter 7 opened again by li"),
        ("clock_alarm", {"clock_used_percent": 80}, "80 % of the time until its ship-by time has passed"),
        ("clock_alarm", {"days_late": 3}, "still here, 3 days after its ship-by time"),
        ("move_refused", {"path": ["packed"]}, "move refused: not in the table of states; wanted to go to packed"),
        (
            "step_stopped",
            {"code": "cancelled", "type": "x.Y", "at": "z.py:1"},
            "step stopped without effect; code cancelled",
        ),
        (
            "skus_mapped",
            {"lines": ["7001 is CUP-1", "7002 is nothing to pick"]},
            "by the listing map 7001 is CUP-1, 7002 is nothing to pick",
        ),
        (
            "lines_let_go",
            {"lines": ["7001", "7002"], "by": "li", "reason": "no mugs left"},
            "li let the order go without 7001, 7002; reason no mugs left",
        ),
        ("a_kind_of_tomorrow", {"new_fact": True, "empty": ""}, "new fact yes"),
        ("warehouse_moved", {}, ""),
    ],
)
def test_an_event_reads_as_a_line(kind, facts, words) -> None:
    assert WORDS.event(kind, facts) == words


def test_the_facts_given_are_left_as_they_were() -> None:
    facts = {"code": "sku_unmapped", "skus": "A,B"}
    WORDS.event("hold_opened", facts)
    assert facts == {"code": "sku_unmapped", "skus": "A,B"}


def test_facts_of_a_hold_leave_out_the_rule_that_found_them() -> None:
    assert WORDS.facts({"skus": "A,B", "rule": "reserve.short", "rules": "ab12"}) == "SKU A,B"


@pytest.mark.parametrize("code", HoldCode)
def test_every_hold_has_a_meaning(code) -> None:
    assert WORDS.meaning(code)


def test_a_cause_names_what_stood_behind_it() -> None:
    cause = {
        "type": "domain.errors.Transient",
        "code": "not_read_back",
        "message": "no waybill yet",
        "at": "actors/writeback.py:133",
        "behind": [{"type": "builtins.TimeoutError", "code": "", "message": "", "at": ""}],
    }
    assert list(cause_in_words(cause)) == [
        "not_read_back: no waybill yet at actors/writeback.py:133",
        "builtins.TimeoutError",
    ]
