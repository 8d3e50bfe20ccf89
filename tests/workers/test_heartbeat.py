import os
import signal
import subprocess
import sys
import time

import pytest

from workers.heartbeat import beat

DEADLINE_S = 120.0


def test_the_named_file_is_touched(tmp_path):
    file = tmp_path / "heartbeat"
    beat({"ORDERLANE_HEARTBEAT": str(file)})
    os.utime(file, (0, 0))
    beat({"ORDERLANE_HEARTBEAT": str(file)})
    assert file.stat().st_mtime > 0


def test_without_a_file_or_its_folder_nothing_happens(tmp_path):
    beat({})
    beat({"ORDERLANE_HEARTBEAT": ""})
    beat({"ORDERLANE_HEARTBEAT": str(tmp_path / "absent" / "heartbeat")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["workers.worker", "workers.sweeper"])
def test_a_process_at_work_beats_again_and_again(module, tmp_path, database, database_url, redis_url):
    file = tmp_path / "heartbeat"
    environment = {
        **os.environ,
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
        "ORDERLANE_HEARTBEAT": str(file),
    }
    with subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=subprocess.DEVNULL) as process:
        for _ in range(2):
            deadline = time.monotonic() + DEADLINE_S
            while not file.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            file.unlink()
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
