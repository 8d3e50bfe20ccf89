"""Adding a step is one file: the project, beside which only a file of `actors` was written, runs a step of that name.

The processes of the test find `actors` in a folder that holds links to the project's files, and the new one. They run
outside the project, whose own folder Python would search first.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0
# While somebody holds this advisory lock, the toy step waits in the middle of its work.
LOCK = 471_100
TOY = f'''"""weigh: a toy step. Of a fulfillment order whose number is even nothing can be weighed."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.tools import Tools
from domain.errors import Poison
from domain.outcomes import Done
from domain.states import State
from domain.steps import Step, Subject
from infra.engine.actor import Runner, actor
from infra.engine.results import Finished, NewWork, Result, SubjectRef, decide_each
from infra.queue.keys import BellKey
from infra.tables.orders import lock_fulfillment
from infra.tables.pool import Connection

STEP = Step(
    name="weigh",
    does="put the order on the scales",
    subject=Subject.FULFILLMENT_ORDER,
    works_in=frozenset({{State.PAID}}),
    leads_to=("reserve",),
    failpoints=("on_the_scales",),
)


@dataclass(frozen=True, slots=True)
class Weighed:
    ref: SubjectRef


@dataclass(frozen=True, slots=True)
class WeighStep:
    tools: Tools
    step: str = STEP.name

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        tx.execute("SELECT pg_advisory_xact_lock_shared({LOCK})")
        found = [
            Weighed(SubjectRef(one.id, one.lane, one.order_id, one.id, None, one.state))
            for one in lock_fulfillment(tx, subject_ids)
        ]
        return decide_each(STEP.name, found, weigh_one)


@actor(STEP, WeighStep)
def weigh(message: BellKey, runner: Runner) -> None:
    runner.run(message)


def weigh_one(one: Weighed) -> Result:
    if one.ref.subject_id % 2 == 0:
        raise Poison("too_heavy", "the scales end before it does")
    follow = (NewWork("reserve", one.ref.subject_id, one.ref.lane, after_s=86_400),)
    return Finished(one.ref, Done(facts={{"grams": 300}}), follow=follow)
'''
ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', %(number)s, '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', %(number)s, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0,
        false, false, now(), now(), '', '', '', 0, now() FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'paid', 'bulk' FROM made RETURNING id, order_id
"""


@pytest.fixture
def environ(tmp_path, database_url, redis_url):
    """Of processes that know one step more. Nothing but its file is new."""
    actors = tmp_path / "more" / "actors"
    actors.mkdir(parents=True)
    for file in (ROOT / "actors").glob("*.py"):
        (actors / file.name).symlink_to(file)
    (actors / "weigh.py").write_text(TOY, encoding="utf-8")
    (tmp_path / "orderlane.toml").write_text("[engine]\nsweep_every_s = 0.2\n")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ORDERLANE_")},
        "PYTHONPATH": str(actors.parent),
        "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml"),
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
    }


@pytest.fixture
def orderlane(environ, tmp_path):
    def orderlane(*arguments):
        command = [sys.executable, "-m", "workers.main", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return orderlane


@pytest.fixture
def process(environ, tmp_path):
    """Start a process of the house by its module; those that still run are ended with the test."""
    started = []

    def process(module):
        command = [sys.executable, "-m", module]
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield process
    for one in started:
        one.kill()
        one.communicate()


@pytest.fixture
def rows(database):
    def rows(query, named=()):
        with database.connection() as connection:
            cursor = connection.execute(query, named)
            return cursor.fetchall() if cursor.description else []

    return rows


def eventually(is_so):
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < ends_at
        pause.wait(0.05)


def weighed(rows):
    return {row[0] for row in rows("SELECT fulfillment_order_id FROM event WHERE kind = 'weigh_done'")}


@pytest.mark.slow
def test_a_step_is_added_by_its_file_alone(orderlane, process, rows, database) -> None:
    drawn = orderlane("flow")
    assert "weigh: put the order on the scales\n  file       actors/weigh.py, actor weigh" in drawn
    assert "    weigh --> reserve" in orderlane("flow", "--mermaid")

    made = [rows(ORDER, {"number": str(number)})[0] for number in range(4)]
    for id_, _ in made:
        rows("INSERT INTO work (step, subject_id, lane) VALUES ('weigh', %s, 'bulk')", (id_,))
    odd = {id_ for id_, _ in made if id_ % 2}
    with database.direct() as session:
        session.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        # Nobody rings but the sweeper, which finds due work of a step that it has read nothing about.
        sweeper, worker = process("workers.sweeper"), process("workers.worker")
        eventually(lambda: rows("SELECT 1 FROM flight WHERE step = 'weigh'"))
        worker.send_signal(signal.SIGTERM)
        # Told to stop, the worker ends what it has begun, and only that.
        session.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        assert worker.wait(DEADLINE_S) == 0
    assert weighed(rows) == odd
    sweeper.send_signal(signal.SIGTERM)
    assert sweeper.wait(DEADLINE_S) == 0

    assert {row[0] for row in rows("SELECT subject_id FROM work WHERE step = 'reserve'")} == odd
    letters = json.loads(orderlane("dlq", "list", "--step", "weigh", "--json"))
    assert {letter["code"] for letter in letters["letters"]} == {"too_heavy"}
    assert len(letters["letters"]) == len(made) - len(odd)


def test_without_its_file_the_step_is_unknown() -> None:
    """The control: nothing but the file makes the step known."""
    known = subprocess.run(
        [sys.executable, "-m", "workers.main", "flow"], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert "weigh" not in known.stdout
