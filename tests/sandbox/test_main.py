"""The sandbox as a process of its own, over loopback TCP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

from sandbox.signatures import warehouse_signature, webhook_signature

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0


def wait_until(condition, what: str):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"waited in vain for {what}")


def is_refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def http(process):
    """Status and body of one call: a GET without a body, a POST with one."""

    def call(path: str, body: bytes | None = None, headers: dict | None = None) -> tuple[int, bytes]:
        with closing(HTTPConnection("127.0.0.1", process[1]["port"], timeout=10)) as line:
            line.request("GET" if body is None else "POST", path, body, headers or {})
            answer = line.getresponse()
            return answer.status, answer.read()

    return call


@pytest.fixture
def spec_file(tmp_path, spec):
    file = tmp_path / "spec.json"
    file.write_bytes(msgspec.json.encode(spec))
    return file


@pytest.fixture
def command(spec_file, tmp_path):
    return [sys.executable, "-m", "sandbox", "--spec", str(spec_file), "--ready", str(tmp_path / "ready.json")]


@pytest.fixture
def process(command, tmp_path):
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_until((tmp_path / "ready.json").exists, "the ready file")
        yield process, json.loads((tmp_path / "ready.json").read_text())
    finally:
        process.kill()
        process.wait()


def test_every_door_answers_and_sigterm_ends_it(process, http, form_of, sf_form, secrets):
    running, ready = process
    assert ready["pid"] == running.pid
    form = form_of("taobao.logistics.companies.get", now=time.time(), fields="code")
    status, body = http("/taobao/router/rest", urlencode(form).encode())
    assert (status, b"logistics_companies_get_response" in body) == (200, True)
    status, body = http(f"/taobao/router/rest?{urlencode(form)}", b"")
    assert (status, b"logistics_companies_get_response" in body) == (200, True)

    asked = sf_form("EXP_RECE_SEARCH_ORDER_RESP", {"orderId": "签*~ +"}, now=time.time())
    status, body = http("/sf/std/service", urlencode(asked).encode())
    assert (status, b"8018" in body) == (200, True)

    path, stamp = "/warehouse/shanghai/events?after=&limit=500", str(int(time.time()))
    signed = {
        "X-Timestamp": stamp,
        "X-Signature": warehouse_signature("GET", path, stamp, secrets.warehouse_secret),
    }
    assert http(path, headers=signed) == (200, b'{"cursor":"0","has_more":false,"events":[]}')
    assert http(path)[0] == 401

    signature = webhook_signature("evt", stamp, b"{}", secrets.webhook_secret)
    delivery = {"webhook-id": "evt", "webhook-timestamp": stamp, "webhook-signature": signature}
    assert http("/hook", b"{}", delivery)[0] == 200
    assert http("/hook", b"{}")[0] == 401

    refund = json.dumps({"do": "ask_refund", "tid": "1"}).encode()
    assert http("/_control", refund)[0] == 401
    assert http("/_control", refund, {"X-Control": secrets.control_secret})[0] == 400
    latency = json.dumps({"do": "set_latency", "sf_ms": 1}).encode()
    assert http("/_control", latency, {"X-Control": secrets.control_secret})[0] == 200

    status, body = http("/_progress")
    assert json.loads(body)["visible"] == 306
    status, body = http("/_ledger")
    assert len(json.loads(body)["ordered"]) == 306

    running.terminate()
    assert running.wait(DEADLINE_S) == 0


@pytest.mark.slow
def test_it_ends_with_its_parent(command, tmp_path):
    starter = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent = subprocess.Popen([sys.executable, "-c", starter, *command], cwd=ROOT)
    wait_until((tmp_path / "ready.json").exists, "the ready file")
    port = json.loads((tmp_path / "ready.json").read_text())["port"]
    assert not is_refused(port)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_until(lambda: is_refused(port), "the sandbox to end")


def test_a_wrong_spec_is_a_clear_message(command, spec_file):
    spec_file.write_text('{"seed": 1}')
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1
    assert "spec_invalid" in done.stderr
    assert "Traceback" not in done.stderr
