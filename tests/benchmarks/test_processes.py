import os
import subprocess
import sys

import pytest

from benchmarks import processes

CHILD = """
import sys, time
while time.process_time() < 0.3: pass
print("burnt", flush=True)
sys.stdin.readline()
"""
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {CHILD!r}])
print("reaped", flush=True)
sys.stdin.readline()
"""


def test_a_child_counts_while_it_lives_and_after_it_was_reaped():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen([sys.executable, "-c", PARENT], **pipes) as process:
        assert process.stdout.readline() == b"burnt\n"
        alive = processes.cpu_s(process.pid)
        process.stdin.write(b"\n")
        assert process.stdout.readline() == b"reaped\n"
        reaped = processes.cpu_s(process.pid)
        own = processes.own_cpu_s(process.pid)
        process.stdin.write(b"\n")

    assert alive >= 0.28
    assert reaped >= alive
    assert own < 0.28


def test_a_process_that_is_gone_has_used_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    assert processes.cpu_s(process.pid) == 0
    with pytest.raises(FileNotFoundError):
        processes.own_cpu_s(process.pid)


def test_memory_is_measured_in_mebibytes():
    assert 5 < processes.pss_mb(os.getpid()) < 2000
