from types import SimpleNamespace

import psycopg
import pytest
from msgspec.structs import replace

from adapters.warehouses.feed import read_stock
from domain.errors import FulfilmentError, Misconfigured
from domain.gates import GateKind, GateShut
from infra.config.secret import Secret
from infra.config.settings import Limit, Location, Sender, Settings, Stores
from infra.engine.author import Author
from infra.process.clock import SystemClock
from infra.tables.stock import count_in
from ops.verbs.gates import pause
from ops.verbs.stock import Loaded
from ops.verbs.stock_count import count_again
from ops.verbs.stock_up import stock_up
from workers.stocking import Stocking


def recount(settings, db, clock, locations):
    return count_again(settings, db, clock, locations, Author("mei", "inventory"))


def count(played) -> tuple[int, int]:
    with played.db.connection() as connection:
        return connection.execute("SELECT count(*), sum(on_hand) FROM stock_location").fetchone()


def test_a_second_load_leaves_known_stock_alone(played) -> None:
    before = count(played)
    loaded = stock_up(played.settings, played.db, SystemClock(), played.settings.locations)
    assert all(one.skus > 0 for one in loaded.values())
    assert count(played) == before


def test_a_warehouse_that_is_away_does_not_keep_the_others_from_being_loaded(played) -> None:
    first, *rest = played.settings.locations
    away = replace(first, endpoint="http://127.0.0.1:1/warehouse")
    settings = replace(played.settings, locations=(away, *rest))
    loaded = stock_up(settings, played.db, SystemClock(), settings.locations)
    assert isinstance(loaded[away.name], FulfilmentError)
    assert all(isinstance(loaded[location.name], Loaded) for location in rest)


class Counting:
    """A warehouse that answers with these bytes, or raises."""

    def __init__(self, answer, asked) -> None:
        self.answer = answer
        self.asked = asked

    async def stock(self):
        self.asked.append(self)
        if isinstance(self.answer, Exception):
            raise self.answer
        return read_stock(self.answer)


def rows(*rows: str) -> bytes:
    return ('{"stock":[' + ",".join(rows) + "]}").encode()


GOOD = '{"sku":"NEW-%s","quantity":3}'


@pytest.fixture
def bare(database, monkeypatch):
    """Two locations of which nothing is known; `answers` says by name what their warehouses answer."""
    sender = Sender(contact="a", phone="1", province="p", city="c", district="d", detail="x")
    secret = {"secret": Secret("x")}
    locations = tuple(
        Location(name=name, endpoint="http://127.0.0.1:1/x", sender=sender, credentials=secret)
        for name in ("east", "west")
    )
    settings = Settings(locations=locations)
    answers, asked = {}, []
    kind = SimpleNamespace(connect=lambda location, _door, _clock: Counting(answers[location.name], asked))
    monkeypatch.setattr("ops.guarded_calls.registry.warehouse", lambda _kind: kind)
    monkeypatch.setattr("ops.guarded_calls.registry.hosts", lambda _: frozenset())

    def load():
        return stock_up(settings, database, SystemClock(), locations)

    load.answers, load.asked, load.settings, load.db = answers, asked, settings, database
    return load


def known(load) -> list[tuple[str, str]]:
    with load.db.connection() as connection:
        return connection.execute("SELECT location, sku FROM stock_location ORDER BY 1, 2").fetchall()


def open_rows(load) -> list[tuple[str, str, str]]:
    with load.db.connection() as connection:
        query = "SELECT account, code, field FROM unreadable_entry WHERE closed_at IS NULL ORDER BY id"
        return connection.execute(query).fetchall()


BAD_ROWS = [
    pytest.param('{"sku":"%s","quantity":1}' % ("S" * 8192), "field_invalid", "sku", id="SKU of 8 KB"),
    pytest.param('{"sku":"A","quantity":1e99999999999999999999}', "field_invalid", "quantity", id="huge exponent"),
    pytest.param('{"sku":1e99999999999999999999,"quantity":1}', "field_invalid", "sku", id="SKU of a huge exponent"),
    pytest.param('{"sku":"A","quantity":%s}' % ("9" * 5000), "field_invalid", "quantity", id="5,000 digits"),
    pytest.param('{"sku":"A","quantity":2147483648}', "field_invalid", "quantity", id="over 32 bits"),
    pytest.param('{"sku":"A","quantity":-1}', "field_invalid", "quantity", id="below zero"),
    pytest.param('{"sku":"A\\ud83d","quantity":1}', "field_invalid", "sku", id="half an emoji"),
    pytest.param("7", "field_invalid", "", id="no object"),
]


@pytest.mark.parametrize(("row", "code", "field"), BAD_ROWS)
def test_a_bad_row_costs_its_own_sku_and_nobody_else(bare, row, code, field) -> None:
    bare.answers |= {"east": rows(GOOD % 1, row, GOOD % 2), "west": rows(GOOD % 1)}
    loaded = bare()
    assert (loaded["east"].skus, len(loaded["east"].rejected), loaded["west"].skus) == (2, 1, 1)
    assert known(bare) == [("east", "NEW-1"), ("east", "NEW-2"), ("west", "NEW-1")]
    assert open_rows(bare) == [("warehouse/east", code, f"stock[1].{field}".rstrip("."))]


def test_the_control_a_count_of_which_every_row_is_taken_as_it_is_loads_nothing(bare) -> None:
    with bare.db.transaction() as tx, pytest.raises(psycopg.errors.ProgramLimitExceeded):
        count_in(tx, "east", {"NEW-1": 3, "".join(map(chr, range(0x4E00, 0x4E00 + 8192))): 1})


def test_a_sku_that_stands_twice_is_left_out(bare) -> None:
    bare.answers |= {
        "east": rows('{"sku":"A","quantity":1}', '{"sku":"A","quantity":9}', GOOD % 1),
        "west": rows('{"sku":"A","quantity":1}', '{"sku":"A","quantity":-9}'),
    }
    bare()
    assert known(bare) == [("east", "NEW-1")]
    assert [code for _, code, _ in open_rows(bare)] == ["sku_repeated"] * 3 + ["field_invalid"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"stock":7}',
        b'{"stock":[' + b"[" * 5_000,
        ZeroDivisionError(),
        OverflowError("x"),
        RecursionError(),
    ],
)
def test_whatever_one_warehouse_answers_the_others_are_counted(bare, answer) -> None:
    bare.answers |= {"east": answer, "west": rows(GOOD % 1)}
    loaded = bare()
    assert isinstance(loaded["east"], FulfilmentError)
    assert known(bare) == [("west", "NEW-1")]


def test_a_bad_row_is_read_again_until_it_is_right(bare) -> None:
    bare.answers |= {"east": rows(GOOD % 1, '{"sku":"A","quantity":-1}'), "west": rows(GOOD % 1)}
    bare()
    duty = Stocking(bare.settings, bare.db)
    duty.tend()
    assert (len(open_rows(bare)), duty.is_done) == (1, False), "asked again, and still one record"
    bare.answers["east"] = rows(GOOD % 1, '{"sku":"A","quantity":5}')
    duty.tend()
    assert (open_rows(bare), known(bare)) == ([], [("east", "A"), ("east", "NEW-1"), ("west", "NEW-1")])
    duty.tend()
    assert duty.is_done


@pytest.mark.parametrize("count", [stock_up, recount])
def test_a_warehouse_whose_account_is_paused_is_not_asked(bare, count) -> None:
    bare.answers |= {"east": rows(GOOD % 1), "west": rows(GOOD % 2)}
    pause(bare.db, GateKind.ACCOUNT, "warehouse/east", Author("mei", "inventory"), None)
    counted = count(bare.settings, bare.db, SystemClock(), bare.settings.locations)
    assert (type(counted["east"]), counted["east"].why, counted["west"].skus) == (GateShut, "paused", 1)
    assert [one.answer for one in bare.asked] == [bare.answers["west"]]


@pytest.mark.parametrize("count", [stock_up, recount])
def test_a_warehouse_is_asked_no_more_often_than_its_owner_allows(bare, redis_url, count) -> None:
    bare.answers |= {"east": rows(GOOD % 1), "west": rows(GOOD % 2)}
    east, west = bare.settings.locations
    east = replace(east, limit=Limit(rate_per_s=0.001, burst=1))
    settings = replace(bare.settings, locations=(east, west), stores=Stores(redis_url=redis_url))
    allowed = [count(settings, bare.db, SystemClock(), settings.locations)["east"] for _ in range(3)]
    assert [getattr(one, "why", "") for one in allowed] == ["rate"] * 3
    assert len(bare.asked) == 3, "the other location has no limit"


@pytest.mark.parametrize("shares_gates", [True, False])
def test_a_count_waits_for_the_next_call_that_the_owner_allows(bare, redis_url, shares_gates) -> None:
    bare.answers |= {"east": rows(GOOD % 1), "west": rows(GOOD % 2)}
    east, west = bare.settings.locations
    settings = replace(
        bare.settings,
        locations=(replace(east, limit=Limit(rate_per_s=50, burst=1)), west),
        stores=Stores(redis_url=redis_url if shares_gates else Secret("")),
    )
    assert [stock_up(settings, bare.db, SystemClock(), settings.locations)["east"].skus for _ in range(2)] == [1, 1]


def test_a_warehouse_that_does_not_accept_us_is_paused_by_its_first_refusal(bare) -> None:
    bare.answers |= {"east": Misconfigured("signature_invalid", "no"), "west": rows(GOOD % 2)}
    bare()
    bare.answers["east"] = rows(GOOD % 1)
    assert type(bare()["east"]) is GateShut
    assert known(bare) == [("west", "NEW-2")]
