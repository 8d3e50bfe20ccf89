"""What nobody caught is logged without the values it was about."""

import io
import json
import sys
import threading

import pytest

from infra.engine.event_loop import EventLoopThread
from infra.telemetry.log import configure
from infra.telemetry.uncaught import log_uncaught

NAME = "欧阳小满"


@pytest.fixture
def logged(monkeypatch):
    for place, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(place, name, getattr(place, name))
    stream = io.StringIO()
    configure("json", "debug", stream)
    log_uncaught()

    def lines():
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return lines


def fail():
    raise ValueError(NAME)


def test_a_thread_that_dies_is_logged_without_its_error_s_text(logged, capsys):
    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    (line,) = logged()
    assert (line["event"], line["thread"], line["error"]["type"]) == ("uncaught_in_thread", "worker", "ValueError")
    assert "fail" in line["error"]["at"][-1]
    assert NAME not in repr(line) + capsys.readouterr().err


def test_a_process_that_dies_is_logged_without_its_error_s_text(logged, capsys):
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    (line,) = logged()
    assert (line["event"], line["error"]["type"]) == ("uncaught", "ValueError")
    assert NAME not in repr(line) + capsys.readouterr().err


def test_a_callback_of_the_loop_that_fails_is_logged_without_its_values(logged, capsys):
    with EventLoopThread() as event_loop:
        over = threading.Event()
        event_loop.loop.call_soon_threadsafe(fail)
        event_loop.loop.call_soon_threadsafe(over.set)
        over.wait()
    (line,) = [line for line in logged() if line["level"] != "debug"]
    assert (line["event"], line["error"]["type"]) == ("uncaught_in_loop", "ValueError")
    assert NAME not in repr(line) + capsys.readouterr().err


def test_control_the_interpreter_s_own_way_shows_the_text(capsys):
    sys.__excepthook__(ValueError, ValueError(NAME), None)
    assert NAME in capsys.readouterr().err
