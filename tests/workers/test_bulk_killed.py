"""The process that works off a bulk replay is killed again and again: every letter goes back to work exactly once."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from infra.engine.author import Author
from infra.tables.letters import LetterFilter
from ops.verbs.bulk import start
from ops.views.bulk import look

pytestmark = pytest.mark.slow

LETTERS = 600
KILLS = 3
DEADLINE_S = 60.0
PLANT = """
WITH dead AS (
    INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes, owner,
                             due_at)
    SELECT 'notify', g, 'p1', 'webhook/buyers', 'timeout', 'f', '[]', 8, 0, 'engineering', now()
    FROM generate_series(1, %(count)s) AS g RETURNING 1
)
INSERT INTO letter_tally SELECT 'f', '', count(*), 0, 0 FROM dead
"""


@pytest.fixture
def replayer(database_url, redis_url, tmp_path):
    """A sweeper process of our own, killed at the end."""
    environment = {
        **os.environ,
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
    }

    @contextmanager
    def running():
        with (tmp_path / "sweeper.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.sweeper"], env=environment, stdout=log, stderr=log
            )
            try:
                yield
            finally:
                process.kill()
                process.wait()

    return running


def test_a_killed_replayer_loses_and_doubles_nothing(database, replayer):
    with database.connection() as connection:
        connection.execute(PLANT, {"count": LETTERS})
    bulk = start(database, LetterFilter(step="notify"), 200.0, Author("li", "back"))
    worked: Counter[int] = Counter()
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S

    def work_until(is_enough):
        """Replace the workers: take due work, and count how often each subject came."""
        while not is_enough():
            assert time.monotonic() < ends_at, look(database, bulk.id)
            with database.connection() as connection:
                worked.update(row[0] for row in connection.execute("DELETE FROM work RETURNING subject_id"))
            pause.wait(0.01)

    for kill in range(KILLS):
        with replayer():
            work_until(lambda: worked.total() > LETTERS * (kill + 1) // (KILLS + 2))  # noqa: B023 - called at once
        assert not look(database, bulk.id).is_over
    with replayer():
        work_until(lambda: look(database, bulk.id).is_over)
    assert look(database, bulk.id).members == {"done": LETTERS}
    assert worked == Counter(range(1, LETTERS + 1))
    with database.connection() as connection:
        acts = connection.execute("SELECT count(*), count(DISTINCT object) FROM audit WHERE verb = 'letter_closed'")
        assert acts.fetchone() == (LETTERS, LETTERS)
