"""Eight processes of eight threads against a sick courier, with a healthy one beside it."""

import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROCESSES, THREADS, OPEN_S, RUN_S = 8, 8, 0.4, 2.4
# Answers of a sick server take a while, so that a herd has time to gather.
SICK_ANSWER_S = 0.1


class Courier(socketserver.ThreadingTCPServer):
    """Says "+" when it is well, and hangs up when it is sick; notes when it was called."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, answer: bytes) -> None:
        self.calls: list[float] = []
        called = self.calls

        class Answer(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                called.append(time.monotonic())
                if answer:
                    self.request.sendall(answer)
                else:
                    time.sleep(SICK_ANSWER_S)

        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def port(self) -> int:
        return self.server_address[1]


@contextmanager
def serving(answer: bytes) -> Iterator[Courier]:
    with Courier(answer) as courier:
        thread = threading.Thread(target=courier.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield courier
        courier.shutdown()
        thread.join()


def herd(how: str, redis_url: str) -> tuple[list[float], int, int]:
    """When the sick courier was called after the first interval; calls of the healthy one; its refusals."""
    with serving(b"") as sick, serving(b"+") as well:
        arguments = [how, redis_url, sick.port, well.port, THREADS, OPEN_S]
        command = [sys.executable, str(Path(__file__).with_name("herd.py")), *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        processes = [subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}, **pipes) for _ in range(PROCESSES)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        threading.Event().wait(RUN_S)
        # Everybody has started and heard of the open breaker after the first interval.
        probes, answered = [at for at in sick.calls if at > started + 2 * OPEN_S], len(well.calls)
        refusals = sum(int(process.communicate(timeout=30)[0].splitlines()[-1]) for process in processes)
        return probes, answered, refusals


@pytest.mark.slow
def test_one_probe_in_each_interval_in_total_and_the_others_keep_their_calls(redis_url):
    probes, well, refusals = herd("gate", redis_url.reveal())
    assert len(probes) > 1
    # Half an interval for the way from the gate to the courier.
    assert (len(probes) - 1) * OPEN_S <= probes[-1] - probes[0] + OPEN_S / 2, probes
    assert (well > 0, refusals) == (True, 0)


@pytest.mark.slow
def test_control_pybreaker_alone_lets_a_herd_probe(redis_url):
    probes, _, _ = herd("raw", redis_url.reveal())
    assert len(probes) > 5 * (RUN_S / OPEN_S), "every process probes, with several threads at once"
