import json
import os
import re

import pytest

from actors.normalize import NormalizeStep
from actors.tools import Tools
from infra.config.rules import load_rules
from infra.config.settings import Engine, Settings
from infra.engine.failures import Failures
from infra.engine.local import LocalRunner
from infra.process.clock import SystemClock
from infra.process.randomness import SystemRandomness
from infra.queue.bells import BellKey
from infra.tables.answers import NewAnswer, keep
from infra.tables.payloads import PAYLOADS


class NoBells:
    def ring(self, keys) -> None:
        pass


@pytest.fixture(autouse=True)
def _configured(monkeypatch, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


@pytest.fixture
def arrive(database):
    """Store a payload, as pull does."""

    def store(shop: str, platform_order_id: str, body: bytes) -> None:
        with database.transaction() as tx:
            ((raw_id, lane),) = tx.execute(
                PAYLOADS["store_raw"],
                {
                    "platform": "taobao",
                    "shop": shop,
                    "source": "pull",
                    "platform_order_ids": [platform_order_id],
                    "versions": [b"1"],
                    "lanes": ["p1"],
                    "changed_ats": [None],
                    "contents_max": 100,
                    "bodies": [body],
                },
            ).fetchall()
            tx.execute("INSERT INTO work (step, subject_id, lane) VALUES ('normalize', %s, %s)", [raw_id, lane])

    return store


@pytest.fixture
def normalize(database):
    """The real step, on what waits in a lane."""

    def run(lane: str = "p1") -> None:
        randomness = SystemRandomness()
        tools = Tools(Settings(), database, NoBells(), SystemClock(), load_rules(), {}, {}, {}, {})
        failures = Failures(Engine(), SystemClock(), randomness)
        runner = LocalRunner(NormalizeStep(tools), database, NoBells(), failures, randomness, 1, 50)
        assert runner.run(BellKey("normalize", lane, "")) == 1

    return run


@pytest.fixture
def receive(arrive, normalize):
    def both(shop: str, platform_order_id: str, body: bytes) -> None:
        arrive(shop, platform_order_id, body)
        normalize()

    return both


def test_an_order_is_shown_to_a_person(orderlane, receive, trade) -> None:
    receive("main", "1001", trade())
    result = orderlane("order", "show", "1001")
    assert result.exit_code == 0
    assert "taobao/main/1001" in result.stdout
    assert "张*" in result.stdout
    assert "138********" in result.stdout
    for secret in ("张三", "13812345678", "5678", "世纪大道"):
        assert secret not in result.output


def test_as_json_it_is_one_object(orderlane, receive, trade) -> None:
    receive("main", "1001", trade())
    view = json.loads(orderlane("order", "show", "main/1001", "--json").stdout)
    assert view["platform_order_id"] == "1001"
    assert view["receiver"]["name"] == "张*"
    assert [work["step"] for work in view["work"]] == ["reserve"]
    assert [event["kind"] for event in view["timeline"]] == ["payload_received", "normalize_done"]


def test_one_id_in_two_shops_is_listed_and_exits_with_2(orderlane, receive, trade) -> None:
    receive("main", "1001", trade())
    receive("outlet", "1001", trade())
    result = orderlane("order", "show", "1001")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "taobao/main/1001" in result.stderr
    assert "taobao/outlet/1001" in result.stderr
    assert orderlane("order", "show", "outlet/1001").exit_code == 0


def test_an_unknown_id_exits_with_1(orderlane) -> None:
    result = orderlane("order", "show", "404")
    assert result.exit_code == 1
    assert result.stderr.startswith("orderlane: order_unknown: ")


def test_an_order_whose_payload_could_not_be_read_exits_with_4(orderlane, receive, trade) -> None:
    receive("main", "1001", trade(payment=None))
    result = orderlane("order", "show", "1001")
    assert result.exit_code == 4
    assert "field_missing: trade.payment is missing (dead letter " in result.stderr


def test_a_database_without_the_schema_is_said_to_be_behind(orderlane, stores, monkeypatch) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", stores.database_url.reveal())
    result = orderlane("order", "show", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith("orderlane: schema_behind: ")


def test_a_database_that_is_away_exits_with_7(orderlane, monkeypatch) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", "host=127.0.0.1 port=1 dbname=none connect_timeout=2")
    result = orderlane("order", "show", "1")
    assert result.exit_code == 7
    assert result.stderr.startswith("orderlane: database_unreachable: ")


@pytest.fixture
def held(receive, trade, database):
    """An order that stands still for one reason."""
    receive("main", "1001", trade())
    with database.connection() as connection:
        connection.execute("DELETE FROM work")
        connection.execute("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'paid'")
        connection.execute(
            """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
               SELECT id, 'address_vague', 'review', 'service', now() FROM fulfillment_order"""
        )


RELEASE = ("order", "release", "1001", "--code", "address_vague", "--reason", "asked the buyer")


@pytest.mark.usefixtures("held")
def test_a_hold_is_released_once(orderlane) -> None:
    result = orderlane(*RELEASE)
    assert (result.exit_code, result.stdout) == (0, "address_vague released; the order is paid, reserve due now\n")
    twice = orderlane(*RELEASE)
    assert twice.exit_code == 5
    assert "hold_not_open" in twice.stderr


@pytest.mark.usefixtures("held")
def test_a_release_that_leaves_other_holds_exits_with_3(orderlane, database) -> None:
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
               SELECT id, 'platform_hold', 'review', 'service', now() FROM fulfillment_order"""
        )
    result = orderlane(*RELEASE, "--json")
    assert result.exit_code == 3
    view = json.loads(result.stdout)
    assert (view["state"], view["still_held_by"], view["due"]) == ("on_hold", ["platform_hold"], [])


@pytest.mark.usefixtures("held")
def test_a_release_says_why(orderlane) -> None:
    assert orderlane(*RELEASE[:-2]).exit_code == 2
    assert orderlane("order", "release", "1001", "--code", "whim", "--reason", "r").exit_code == 2
    assert orderlane("order", "release", "404", "--code", "address_vague", "--reason", "r").exit_code == 1


EXPEDITE = ("order", "expedite", "1001", "--reason", "the buyer waits")


def test_an_order_is_expedited_and_stays_so(orderlane, receive, trade) -> None:
    receive("main", "1001", trade())
    result = orderlane(*EXPEDITE)
    assert (result.exit_code, result.stdout) == (0, "order 1 moved from p1 to lane p0, with reserve\n")
    again = orderlane(*EXPEDITE, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"order_id": 1, "payloads": [], "lane": "p0", "was": [], "moved": []}
    assert "lane p0 chosen by " in orderlane("order", "show", "1001").stdout


@pytest.fixture
def unread(arrive, trade) -> None:
    arrive("main", "1001", trade())
    arrive("main", "1002", trade(tid="1002"))


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("text", ["1001", "main/1001", "taobao/main/1001"])
def test_what_nobody_has_read_yet_is_expedited_and_stays_so(orderlane, normalize, database, text) -> None:
    command = ("order", "expedite", text, "--reason", "the buyer waits")
    result = orderlane(*command)
    moved = "a stored payload that waits to be read moved from p1 to lane p0, with normalize\n"
    assert (result.exit_code, result.stdout) == (0, moved)
    again = json.loads(orderlane(*command, "--json").stdout)
    assert again == {"order_id": None, "payloads": [1], "lane": "p0", "was": [], "moved": []}
    normalize("p0")
    with database.connection() as connection:
        assert connection.execute("SELECT lane, lane_by IS NULL FROM fulfillment_order").fetchall() == [("p0", False)]
        assert connection.execute("SELECT verb, object, reason FROM audit").fetchall() == [
            ("order_expedited", "payload/1", "the buyer waits")
        ]
        assert connection.execute("SELECT subject_id, lane FROM work WHERE step = 'normalize'").fetchall() == [
            (2, "p1")
        ]


def test_an_unread_id_that_two_shops_share_is_not_guessed(orderlane, arrive, trade, database) -> None:
    arrive("main", "1001", trade())
    arrive("outlet", "1001", trade())
    refused = orderlane(*EXPEDITE)
    assert refused.exit_code == 2
    assert "taobao/main/1001, taobao/outlet/1001" in refused.stderr
    assert orderlane("order", "expedite", "outlet/1001", "--reason", "r").exit_code == 0
    with database.connection() as connection:
        assert connection.execute("SELECT subject_id, lane FROM work ORDER BY subject_id").fetchall() == [
            (1, "p1"),
            (2, "p0"),
        ]


def test_an_ended_order_is_not_expedited(orderlane, receive, trade, database) -> None:
    receive("main", "1001", trade())
    with database.connection() as connection:
        connection.execute(
            "UPDATE fulfillment_order SET state = 'closed', finished_at = now(), closed_reason = 'cancelled'"
        )
    result = orderlane(*EXPEDITE)
    assert result.exit_code == 5
    assert result.stderr == "orderlane: order_ended: order 1 is closed\n"


def test_expediting_says_why_and_where(orderlane, receive, trade) -> None:
    receive("main", "1001", trade())
    receive("outlet", "1001", trade())
    assert orderlane(*EXPEDITE[:3]).exit_code == 2
    assert orderlane(*EXPEDITE, "--lane", "fast").exit_code == 2
    assert orderlane(*EXPEDITE).exit_code == 2, "the id may mean two orders"
    assert orderlane("order", "expedite", "404", "--reason", "r").exit_code == 1


@pytest.mark.slow
def test_the_installed_command_does_the_same(orderlane_process, receive, trade) -> None:
    receive("main", "1001", trade())
    done = orderlane_process("order", "show", "1001", env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    assert "taobao/main/1001" in done.stdout
    assert done.stderr == ""


HOSTILE = "a\x1b[31mb\x9b2Jc\u202ed\re"


@pytest.mark.parametrize(
    "words",
    [
        ("order", "show", "1001"),
        ("order", "show", "1001", "--json"),
        ("order", "explain", "1001"),
        ("due", "--json"),
        ("normalize", "--platform", "taobao", "trade.json"),
    ],
)
def test_no_field_of_an_order_commands_the_terminal(orderlane, receive, trade, tmp_path, words) -> None:
    fields = ("buyer_message", "seller_memo", "receiver_name", "receiver_state", "receiver_city", "receiver_address")
    order = json.loads(trade())["trade_fullinfo_get_response"]["trade"]["orders"]["order"]
    lines = {"order": [{**line, "title": HOSTILE, "outer_sku_id": HOSTILE} for line in order]}
    body = trade(**dict.fromkeys(fields, HOSTILE), orders=lines)
    (tmp_path / "trade.json").write_bytes(body)
    receive("main", "1001", body)
    said = orderlane(*words).output
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said)
    assert said.count("\n") >= 1


def test_raw_answers_are_shown_to_whoever_asks_for_them_and_no_terminal_obeys_them(
    orderlane, receive, trade, database
) -> None:
    receive("main", "2206140048812637", trade())
    body = '{"errorMsg": "欧 阳 小 满\x1b[31m"}'.encode()
    with database.transaction() as tx:
        ((id_,),) = tx.execute("SELECT id FROM orders").fetchall()
        keep(tx, [NewAnswer(id_, "label", 1, "sf/main", "refused", body)])
    usual = orderlane("order", "show", id_)
    assert "1 kept" in usual.output
    assert "欧" not in usual.output + orderlane("order", "show", id_, "--json").output
    asked = orderlane("order", "show", id_, "--raw")
    assert "欧 阳 小 满" in asked.output
    assert "\x1b[31m" not in asked.output
    [answer] = json.loads(orderlane("order", "show", id_, "--raw", "--json").output)["answers"]
    assert (answer["code"], answer["text"]) == ("refused", body.decode())
