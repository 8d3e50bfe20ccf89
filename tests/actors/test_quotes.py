"""A courier, a platform and a channel quote the buyer in every way: nothing but the raw answer holds the quote."""

import io
import itertools
import json

import pytest
from rich.console import Console

from adapters.couriers.sf import translate
from adapters.payload import Fields
from adapters.platforms.taobao.faults import fault_of, read_error
from domain.errors import FulfilmentError, Malformed, keep_evidence
from infra.process.clock import SystemClock
from infra.tables.letters import LetterFilter
from infra.telemetry.log import configure
from ops.faces.terminal.letters import print_letter, print_letters
from ops.faces.terminal.order import print_order, print_raw
from ops.views import letters as letter_views
from ops.views.order import raw_answers, view_order

PARTS = ("欧阳小满", "1 3 8 1 2 3 4 5 6 7 8", "文三路1203弄5号楼", "歐陽小滿", "１３８１２３４５６７８")
MARKS = ("欧", "歐", "阳", "陽", "滿", "文三", "弄", "13812345678", "1 3 8 1", "１３")
QUOTES = [f"\x1b[31m{one}{two[::-1]}\u202e" for one, two in itertools.permutations(PARTS, 2)]
CODES = ["8196", "9999", "S0001", "8016", "20012", "1014", "A1009", "A1007", *PARTS]


def courier_says(number, quote):
    code = CODES[number % len(CODES)]
    if code.startswith("A"):
        body = json.dumps(
            {"apiResultCode": code, "apiErrorMsg": quote, "apiResultData": ""}, ensure_ascii=False
        ).encode()
    else:
        inner = json.dumps({"success": False, "errorCode": code, "errorMsg": quote}, ensure_ascii=False)
        body = json.dumps({"apiResultCode": "A1000", "apiResultData": inner}, ensure_ascii=False).encode()
    with pytest.raises(FulfilmentError) as caught:
        translate.read_envelope(body, is_idempotent=False)
    keep_evidence(caught.value, body)
    return caught.value


def platform_says(number, quote):
    tail = ("B01", "B60", "P38", "zz", quote)[number % 5]
    fields = {"code": 15, "sub_code": f"isv.logistics-offline-service-error:{tail}", "sub_msg": quote}
    error = fault_of(read_error(Fields(fields, "", Malformed)), is_read=False, now=SystemClock().utcnow())
    keep_evidence(error, json.dumps(fields).encode())
    return error


@pytest.fixture
def logged():
    stream = io.StringIO()
    configure("console", "debug", stream)
    return stream


@pytest.fixture
def quoted(merchant, trade, logged):
    """As many orders as there are quotes; each meets its own at the courier, and every other one at the platform."""
    merchant.stock(**{"TEE-1": 1000})
    merchant.deliver(*(trade(tid=str(1000 + number)) for number in range(len(QUOTES))))
    merchant.flow("route")
    pairs = list(enumerate(QUOTES))
    merchant.platform.errors = {"status": [platform_says(*pair) for pair in pairs[::2]]}
    merchant.courier.errors = {"create": [courier_says(*pair) for pair in pairs]}
    for _ in range(30):
        merchant.fall_due()
        merchant.run("label")
    return merchant


def shown(merchant):
    """All that listings print, without what was asked for as raw."""
    console = Console(file=io.StringIO(), width=400)
    for (order_id,) in merchant.rows("SELECT id FROM orders"):
        print_order(view_order(merchant.db, order_id), console)
    found = letter_views.page(merchant.db, LetterFilter(), after=0, limit=1000)
    print_letters(found, None, console)
    for one in found:
        print_letter(letter_views.letter(merchant.db, one.id), None, console)
    return console.file.getvalue()


def stored(merchant):
    tables = ("hold", "event", "dead_letter", "work", "shipment", "writeback", "audit", "letter_tally")
    return {
        name: merchant.one(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {name} AS t")  # noqa: S608 - ours
        for name in tables
    }


def test_no_quote_stands_in_rows_logs_and_listings(quoted, logged):
    texts = {**stored(quoted), "log": logged.getvalue(), "listings": shown(quoted)}
    assert "waybill_error" in texts["hold"]
    assert "step_failed" in texts["log"]
    leaks = [(name, mark) for name, text in texts.items() for mark in MARKS if mark in text]
    assert leaks == []
    assert "\x1b[31m" not in texts["hold"] + texts["event"] + texts["dead_letter"]


def test_control_the_raw_answers_hold_the_quotes(quoted):
    console = Console(file=io.StringIO(), width=400)
    for (order_id,) in quoted.rows("SELECT DISTINCT order_id FROM foreign_answer"):
        print_raw(raw_answers(quoted.db, order_id), console)
    assert quoted.one("SELECT count(DISTINCT order_id) FROM foreign_answer") == len(QUOTES)
    assert PARTS[0] in console.file.getvalue()
