"""Canary buyers: what is personal about them is found nowhere but where it may rest."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

import pytest
from psycopg import sql
from redis import Redis

from adapters.ports import ListedChange
from domain.order import LaneFacts, RawOrder
from infra.monitoring.alarm_conditions import conditions_of, update_condition
from workers.wiring import wired_worker

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 20
# Personal data rests in these tables: the platform's own words in the payloads, the other side's behind failures.
MAY_HOLD = {"raw_payload", "receiver", "orders", "foreign_answer"}


def person(mark, mobile):
    return {"name": f"金丝雀{mark}", "mobile": mobile, "town": f"鸟鸣{mark}街道", "detail": f"羽毛{mark}路7788号"}


SHIPPED = person("甲", "13977770001")
REFUSED = person("乙", "13977770002")
BROKEN = person("丙", "13977770003")
MEMO = "请送给金丝雀甲本人 暗号翠鸟"
# Masked or not, whole or in parts: nothing of this may show.
SECRETS = {
    *(value for one in (SHIPPED, REFUSED, BROKEN) for value in one.values()),
    *("金丝雀", "鸟鸣", "羽毛", "翠鸟"),
}


@contextmanager
def listening(demo):
    """Everything Redis is told meanwhile, in its own words: one line for each command."""
    heard = []
    with socket.socket(socket.AF_UNIX) as line, line.makefile("r", encoding="utf-8", newline="\r\n") as lines:
        line.connect(unquote(urlsplit(demo.settings.stores.redis_url.reveal()).path))
        line.sendall(b"MONITOR\r\n")
        assert lines.readline() == "+OK\r\n"
        listener = threading.Thread(target=lambda: heard.extend(lines))
        listener.start()
        try:
            yield heard
        finally:
            line.shutdown(socket.SHUT_RD)
            listener.join()


def in_redis(demo):
    """Every key with its whole value, whatever its type."""
    read = {
        "string": lambda client, key: client.get(key),
        "hash": lambda client, key: client.hgetall(key),
        "list": lambda client, key: client.lrange(key, 0, -1),
        "set": lambda client, key: client.smembers(key),
        "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    }
    with Redis.from_url(demo.settings.stores.redis_url.reveal()) as client:
        for key in client.scan_iter("*"):
            yield f"{readable(key)} {readable(read[client.type(key).decode()](client, key))}"


def readable(value):
    """Bytes as the text they are, also inside containers, where repr would show escapes."""
    match value:
        case bytes():
            return value.decode("utf-8", "replace")
        case dict():
            return " ".join(f"{readable(key)}={readable(item)}" for key, item in value.items())
        case list() | set() | tuple():
            return " ".join(readable(item) for item in value)
    return str(value)


def in_tables(demo):
    """Every row of every table in which no personal data may rest, as text."""
    with demo.db.connection() as connection:
        names = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert names > MAY_HOLD
        for name in sorted(names - MAY_HOLD):
            for row in connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(name))):
                yield f"{name}: {row[0]}"


def in_logs(demo):
    for file in sorted(demo.stage.folder.rglob("*.log*")):
        yield from (f"{file.name}: {line}" for line in file.read_text("utf-8", "replace").splitlines())


def in_listings(demo, platform_order_ids):
    """What a person sees of an order."""
    urls = demo.supervisor.environment
    for order in platform_order_ids:
        for form in ((), ("--json",)):
            command = [sys.executable, "-m", "workers.main", "order", "show", order, *form]
            done = subprocess.run(command, env={**os.environ, **urls}, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert order in done.stdout
            yield f"order show {' '.join(form)}: {done.stdout} {done.stderr}"


def found(texts):
    """Which texts hold a secret, plain, as JSON and Python escape it, or byte by byte as Redis shows it."""
    needles = {form for secret in SECRETS for form in (secret, ascii(secret)[1:-1], repr(secret.encode())[2:-1])}
    return [text for text in texts if any(needle in text for needle in needles)]


def plant(demo):
    """One canary to be shipped, one that the courier refuses and quotes, one whose payload cannot be read."""
    ledger = demo.stage.read("_ledger")
    wanted = {"shop": demo.settings.shops[0].name, "lines": [{"sku": plenty(ledger)}]}
    demo.stage.pull("refuse_receiver", mobile=REFUSED["mobile"])
    shipped = demo.stage.pull("add_order", **wanted, receiver=SHIPPED, message=MEMO)["tid"]
    refused = demo.stage.pull("add_order", **wanted, receiver=REFUSED, message=MEMO)["tid"]
    with wired_worker(demo.settings) as runtime:
        store = runtime.runners["pull"].step.store
        text = (
            f'{{"trade": {{"tid": 77, "receiver_name": "{BROKEN["name"]}", "status": "{BROKEN["detail"]}", "payment": '
        )
        for number, body in enumerate((text, text + '"1.00"}}')):
            raw = RawOrder(f"{77 + number}", bytes([number]), (body + BROKEN["mobile"]).encode(), LaneFacts())
            store(demo.settings.shops[0], "webhook", [(ListedChange(raw.platform_order_id, datetime.now(UTC)), raw)])
    return shipped, refused


def plenty(ledger):
    """The SKU with most pieces: certainly not one that is short."""
    return max(ledger["stock"], key=lambda row: row["on_hand"])["sku"]


def test_nothing_of_a_buyer_shows(prepare, finish, count):
    with prepare(ORDERS, shops=1, texts_buyers=True) as demo:
        with listening(demo) as heard:
            shipped, refused = plant(demo)
            demo.supervisor.start()
            finish(demo)
            demo.supervisor.stop()
        # The canaries went the ways they were meant to go.
        written_back = {str(row["tid"]) for row in demo.stage.read("_ledger")["write_backs"]}
        assert (shipped in written_back, refused in written_back) == (True, False)
        texted = "SELECT count(*) FROM notice WHERE starts_with(channel, 'tencent-sms/') AND status = 'told'"
        assert 0 < count(demo, texted) == demo.stage.read("_progress")["texted"]
        assert count(demo, "SELECT count(*) FROM hold WHERE code = 'waybill_error'") == 1
        assert count(demo, "SELECT count(*) FROM dead_letter WHERE step = 'normalize'") == 2
        assert count(demo, "SELECT count(*) FROM receiver WHERE name LIKE '金**%' AND pii = 'masked'") == 2
        assert count(demo, "SELECT count(*) FROM orders WHERE buyer_memo = %s", MEMO) == 2

        for condition in conditions_of(demo.settings):
            update_condition(demo.db, condition)
        assert count(demo, "SELECT count(*) FROM alarm WHERE kind = 'dead_letters'") > 0
        assert any("normalize" in command for command in heard)
        assert found(heard) == []
        assert found(in_redis(demo)) == []
        assert found(in_tables(demo)) == []
        assert found(in_logs(demo)) == []
        assert found(in_listings(demo, (shipped, refused))) == []


def test_a_planted_secret_is_found_everywhere(prepare):
    """The control: the search sees what it looks for."""
    with prepare(1, shops=1) as demo:
        with listening(demo) as heard, Redis.from_url(demo.settings.stores.redis_url.reveal()) as client:
            client.rpush("a list", MEMO)
            client.hset("a hash", "field", SHIPPED["mobile"])
        with demo.db.connection() as connection:
            connection.execute(
                "INSERT INTO event (kind, step, cause, facts) VALUES ('k', 's', 'c', to_jsonb(%s::text))",
                [REFUSED["detail"]],
            )
        (demo.stage.folder / "workers.log").write_text(ascii(BROKEN["name"]))
        assert len(found(in_redis(demo))) == 2
        assert len(found(heard)) == 2
        assert len(found(in_tables(demo))) == 1
        assert len(found(in_logs(demo))) == 1
