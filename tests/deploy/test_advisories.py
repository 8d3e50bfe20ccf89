"""The check of dependencies, against a service of our own that answers, stays silent, or talks nonsense."""

import importlib.util
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = """\
aiohttp==3.14.3 \\
    --hash=sha256:00
psycopg[binary]==3.3.0 ; python_version >= "3.11" \\
    --hash=sha256:11
"""


@pytest.fixture(scope="module")
def advisories():
    spec = importlib.util.spec_from_file_location("advisories", ROOT / "deploy" / "advisories.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["advisories"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["advisories"]


@pytest.fixture
def serve():
    """Start a service that answers every question with what `answer(questions)` returns: (status, body)."""
    servers = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = answer(asked["queries"])
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1/querybatch"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def check(advisories, tmp_path, capsys):
    lock = tmp_path / "requirements.txt"
    lock.write_text(LOCK)

    def run(url):
        code = advisories.main([str(lock)], {"ORDERLANE_ADVISORIES_URL": url})
        return code, capsys.readouterr().out

    return run


def knows(*faulty):
    """A service that knows a fault of these (name, version) pairs."""

    def answer(queries):
        results = [
            {"vulns": [{"id": "GHSA-test-0001", "modified": "2026-11-01T00:00:00Z"}]}
            if (query["package"]["name"], query["version"]) in faulty
            else {}
            for query in queries
        ]
        return 200, json.dumps({"results": results}).encode()

    return answer


def test_a_known_fault_fails_with_package_version_and_advisory(check, serve):
    code, said = check(serve(knows(("aiohttp", "3.14.3"))))
    assert code == 1
    assert said == "dependencies: published fault of aiohttp 3.14.3: GHSA-test-0001\n"


def test_another_version_of_the_package_is_no_fault(check, serve):
    assert check(serve(knows(("aiohttp", "3.14.2")))) == (
        0,
        "dependencies: no published fault is known of 2 packages\n",
    )


def test_every_package_is_asked_for_by_its_name_and_version(check, serve):
    asked = []

    def answer(queries):
        asked.extend((one["package"]["name"], one["package"]["ecosystem"], one["version"]) for one in queries)
        return knows()(queries)

    check(serve(answer))
    assert asked == [("aiohttp", "PyPI", "3.14.3"), ("psycopg", "PyPI", "3.3.0")]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b"{}"),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b"[]"),
        (200, b'{"results": []}'),
        (200, b'{"results": [7, 7]}'),
        (200, b'{"results": [{"vulns": [{}]}, {}]}'),
        (200, b"\xff"),
    ],
)
def test_an_answer_that_says_nothing_is_not_checked_and_no_failure(check, serve, status, body):
    code, said = check(serve(lambda _: (status, body)))
    assert code == 0
    assert said.startswith("dependencies: not checked for published faults (")


def test_where_nobody_answers_nothing_was_checked(check):
    code, said = check("http://127.0.0.1:1/v1/querybatch")
    assert (code, said) == (0, "dependencies: not checked for published faults (URLError)\n")


def test_a_service_that_never_answers_is_given_up_in_time(advisories, serve):
    go_on = threading.Event()
    url = serve(lambda _: (200, b"{}") if go_on.wait(30) else (500, b""))
    began = time.monotonic()
    with pytest.raises(advisories.NotCheckedError):
        advisories.known_faults([advisories.Pin("a", "1")], url, within_s=0.05)
    assert time.monotonic() - began < 5
    go_on.set()


def test_the_bound_of_make_lint_is_ten_seconds(advisories):
    assert advisories.WITHIN_S == 10


def test_an_accepted_advisory_is_left_out(advisories):
    faults = [advisories.Fault(advisories.Pin("a", "1"), name) for name in ("GHSA-1", "GHSA-2")]
    assert advisories.report(faults, {"GHSA-1": "its code is never reached"}) == ["a 1: GHSA-2"]


def test_the_lock_files_are_read_whole(advisories):
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-bench.txt"):
        text = (ROOT / name).read_text()
        assert len(advisories.pins(text)) == len({line.split("==")[0] for line in text.splitlines() if "==" in line})


def test_make_lint_asks_for_every_lock_file():
    (line,) = [one for one in (ROOT / "Makefile").read_text().splitlines() if "deploy/advisories.py" in one]
    assert {"requirements.txt", "requirements-dev.txt", "requirements-bench.txt"} <= set(line.split())
