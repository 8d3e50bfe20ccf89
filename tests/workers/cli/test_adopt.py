import json
from datetime import UTC, datetime

import pytest

from actors.normalize import NormalizeStep
from actors.tools import Tools
from adapters.platforms.taobao.trade import raw_order
from domain.rules import RuleSet
from infra.config.rules import load_rules
from infra.config.settings import Engine, Settings
from infra.engine.failures import Failures
from infra.engine.local import LocalRunner
from infra.process.clock import SystemClock
from infra.process.randomness import SystemRandomness
from infra.queue.bells import BellKey
from infra.tables.payloads import PAYLOADS

BOUNDARY = datetime(2099, 1, 1, tzinfo=UTC)


class NoBells:
    def ring(self, keys) -> None:
        pass


@pytest.fixture(autouse=True)
def _configured(monkeypatch, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


@pytest.fixture
def receive(database, trade):
    """Store and read an order of a shop, as pull and normalize do."""
    rules: RuleSet = load_rules()

    def both(shop: str, tid: str) -> None:
        raw = raw_order(trade(tid_str=tid) if tid != "1001" else trade())
        randomness = SystemRandomness()
        with database.transaction() as tx:
            tx.execute("INSERT INTO shop (account) VALUES (%s) ON CONFLICT DO NOTHING", [f"taobao/{shop}"])
            tx.execute("UPDATE shop SET take_over_from = %s", [BOUNDARY])
            ((raw_id, lane),) = tx.execute(
                PAYLOADS["store_raw"],
                {
                    "platform": "taobao",
                    "shop": shop,
                    "source": "pull",
                    "platform_order_ids": [tid],
                    "versions": [raw.version],
                    "lanes": ["p1"],
                    "changed_ats": [None],
                    "contents_max": 100,
                    "bodies": [raw.body],
                },
            ).fetchall()
            tx.execute("INSERT INTO work (step, subject_id, lane) VALUES ('normalize', %s, %s)", [raw_id, lane])
        tools = Tools(Settings(), database, NoBells(), SystemClock(), rules, {}, {}, {}, {})
        failures = Failures(Engine(), SystemClock(), randomness)
        runner = LocalRunner(NormalizeStep(tools), database, NoBells(), failures, randomness, 1, 50)
        assert runner.run(BellKey("normalize", "p1", "")) == 1

    return both


@pytest.fixture
def states(database):
    def read() -> list[str]:
        with database.connection() as connection:
            return [state for (state,) in connection.execute("SELECT state FROM fulfillment_order ORDER BY id")]

    return read


def test_kept_out_orders_are_listed_and_shown(orderlane, receive) -> None:
    receive("main", "1001")
    listed = orderlane("order", "kept-out")
    assert (listed.exit_code, "taobao/main/1001" in listed.stdout) == (0, True)
    assert "paid before the take-over" in listed.stdout
    assert json.loads(orderlane("order", "kept-out", "--json").stdout)["kept_out"] == 1
    assert "no such order" in orderlane("order", "kept-out", "--shop", "outlet").stdout
    shown = orderlane("order", "show", "1001").stdout
    assert "another system ships it" in shown
    assert "order adopt" in shown


def test_an_order_is_adopted_by_id_once(orderlane, receive, states) -> None:
    receive("main", "1001")
    done = orderlane("order", "adopt", "1001", "--reason", "ours now")
    assert (done.exit_code, done.stdout, states()) == (0, "order 1 is adopted and paid\n", ["paid"])
    again = orderlane("order", "adopt", "1001", "--reason", "ours now")
    assert (again.exit_code, "was adopted before" in again.stderr) == (5, True)
    assert "adopted by" in orderlane("order", "show", "1001").stdout


def test_many_are_a_draft_with_a_preview_and_a_result_for_each(orderlane, receive, states, tmp_path) -> None:
    receive("main", "1001")
    receive("outlet", "1001")
    file = tmp_path / "ids.txt"
    file.write_text("main/1001\n\noutlet/1001\n404\n")
    orderlane("order", "adopt", "outlet/1001", "--reason", "ours now")
    drafted = json.loads(orderlane("order", "adopt", "--from", str(file), "--reason", "ours now", "--json").stdout)
    foreseen = {"adopted": 1, "not_kept_out": 1, "order_unknown": 1}
    assert (drafted["verb"], drafted["state"], drafted["foreseen"]) == ("order.adopt", "draft", foreseen)
    assert states() == ["closed", "paid"]
    number, token = str(drafted["id"]), drafted["token"]
    done = orderlane("bulk", "confirm", number, "--token", token, "--here")
    assert (done.exit_code, states()) == (6, ["paid", "paid"])
    shown = json.loads(orderlane("bulk", "show", number, "--members", "done", "--json").stdout)
    assert [one["facts"] for one in shown["items"]] == [{"was": "not_taken_over", "state": "paid"}]


@pytest.mark.parametrize(
    ("how", "left"),
    [
        (("--shop", "outlet"), ["closed", "paid"]),
        (("--shop", "taobao/main", "--paid-before", "2099-01-01"), ["paid", "closed"]),
        (("main/1001", "--from", "-"), ["closed", "closed"]),
    ],
)
def test_a_filter_adopts_what_passes_at_once_where_the_count_is_foretold(orderlane, receive, states, how, left) -> None:
    receive("main", "1001")
    receive("outlet", "1001")
    orderlane("order", "adopt", *how, "--expect", "1", "--here", "--reason", "ours now")
    assert states() == left


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reason", "r"],
        ["1001"],
        ["1001", "--paid-since", "24h", "--reason", "r"],
    ],
)
def test_what_is_not_said_is_not_guessed(orderlane, receive, states, arguments) -> None:
    receive("main", "1001")
    assert orderlane("order", "adopt", *arguments).exit_code == 2
    assert states() == ["closed"]
