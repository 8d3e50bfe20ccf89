"""Lock files pin every package by hash and name no place to fetch it from."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(\[[a-z,]+\])?==[^\s;\\]+")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def requirements(text):
    """Whole requirements: continued lines joined, comments left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def pins(text):
    return {match[0] for line in requirements(text) if (match := REQUIREMENT.match(line))}


@pytest.fixture(params=["requirements.txt", "requirements-dev.txt"])
def lock(request, root):
    return (root / request.param).read_text()


def test_every_requirement_is_pinned_with_hashes(lock):
    assert requirements(lock)
    assert [line for line in requirements(lock) if not (REQUIREMENT.match(line) and HASH.search(line))] == []


def test_no_address_is_named(lock):
    assert re.findall(r"(?i)https?://\S+|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", lock) == []


def test_the_lock_for_tests_holds_the_lock_for_work(root):
    work, tests = ((root / name).read_text() for name in ("requirements.txt", "requirements-dev.txt"))
    assert pins(work)
    assert pins(work) <= pins(tests)


@pytest.mark.parametrize("name", ["Makefile", "deploy/Dockerfile"])
def test_what_the_lock_names_is_all_that_is_installed(root, name):
    installs = re.findall(r"pip install.*--require-hashes.*", (root / name).read_text())
    assert installs
    assert [line for line in installs if "--no-deps" not in line] == []


def test_the_lock_leaves_out_nothing_that_a_package_needs():
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout


def needed(wanted):
    """Names of all that these requirements lead to, with what their extras ask for, which `pip check` passes over."""
    seen = {}
    queue = [Requirement(text) for text in wanted]
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        extras = {"", *requirement.extras}
        if (requirement.marker and not requirement.marker.evaluate()) or extras <= seen.setdefault(name, set()):
            continue
        seen[name] |= extras
        for text in requires(name) or ():
            found = Requirement(text)
            if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in extras):
                found.marker = None
                queue.append(found)
    return set(seen)


def test_the_lock_for_work_names_what_extras_ask_for(root):
    wanted = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {canonicalize_name(re.split(r"[=\[]", pin)[0]) for pin in pins((root / "requirements.txt").read_text())}
    assert needed(wanted) <= names
    assert {"hiredis", "psycopg-binary", "psycopg-pool"} <= needed(wanted)
