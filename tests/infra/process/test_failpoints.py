import os
import signal
import subprocess
import sys

import psycopg
import pytest

from infra.process import failpoints
from infra.process.failpoints import FailpointError, failpoint, step_points
from infra.process.failpoints import failpoints as strike
from infra.process.steps import STEPS

POINTS = step_points()


@pytest.fixture(autouse=True)
def _disarmed():
    yield
    failpoints.arm("")


def test_nothing_happens_while_nothing_is_armed():
    failpoint("review.work", 1)


def test_a_bug_strikes_the_named_subjects_at_the_named_place():
    failpoints.arm('[{"at": "review.work", "do": "raise", "subjects": [7]}]')
    failpoint("review.work", 8)
    failpoint("label.work", 7)
    with pytest.raises(FailpointError, match=r"review\.work"):
        failpoint("review.work", 7)


def test_without_subjects_everybody_is_struck():
    failpoints.arm('[{"at": "review.work", "do": "raise"}]')
    with pytest.raises(FailpointError):
        failpoint("review.work", 12345)


def test_without_a_subject_only_what_is_armed_for_all_strikes():
    failpoints.arm('[{"at": "x", "do": "raise", "subjects": [7]}]')
    failpoint("x")
    failpoints.arm('[{"at": "x", "do": "raise"}]')
    with pytest.raises(FailpointError):
        failpoint("x")


def test_each_subject_of_a_batch_is_asked_for():
    failpoints.arm('[{"at": "x", "do": "raise", "subjects": [7]}]')
    strike("x", [1, 2])
    with pytest.raises(FailpointError):
        strike("x", [1, 7])


def test_every_step_has_its_failpoints():
    assert {point.partition(".")[0] for point in POINTS} == set(STEPS)
    assert len(set(POINTS)) == len(POINTS)


def test_postgres_itself_can_be_made_to_raise(database):
    failpoints.arm('[{"at": "x", "do": "postgres"}]')
    failpoint("x", 1)
    with pytest.raises(psycopg.errors.DivisionByZero), database.transaction() as tx:
        failpoint("x", 1, tx)


def test_the_process_can_be_killed_as_the_environment_says():
    program = (
        "from infra.process.failpoints import failpoint; failpoint('x', 1); print('alive', flush=True); "
        "failpoint('x', 2); print('no')"
    )
    armed = '[{"at": "x", "do": "kill", "subjects": [2]}]'
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, failpoints.ENVIRONMENT_KEY: armed},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"alive\n")


def test_the_process_can_be_frozen_and_woken():
    program = "from infra.process.failpoints import failpoint; failpoint('x', 1); print('awake')"
    armed = '[{"at": "x", "do": "stop"}]'
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, failpoints.ENVIRONMENT_KEY: armed}, stdout=subprocess.PIPE
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert process.communicate()[0] == b"awake\n"


def test_the_interpreter_is_kept_once_in_a_process(monkeypatch):
    monkeypatch.setattr(failpoints, "SLEEP_S", 0)
    failpoints.arm('[{"at": "x", "do": "block"}, {"at": "x", "do": "raise"}]')
    with pytest.raises(FailpointError):
        failpoint("x")
    failpoint("x")
