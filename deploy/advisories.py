"""Asks an advisory service whether a fault is published of a locked package: part of ``make lint``.

It speaks the interface of https://osv.dev (``POST /v1/querybatch``); ``ORDERLANE_ADVISORIES_URL`` names another service
of the same interface. Exit code 0: nothing is known, or nobody could be asked (it says so); 1: a fault is known.
"""

import http.client
import json
import os
import re
import sys
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVICE = "https://api.osv.dev/v1/querybatch"
WITHIN_S = 10.0
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_ANSWER_MAX_BYTES = 8 * 1024 * 1024


class NotCheckedError(Exception):
    """Nobody answered, or not so that it can be read."""


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """A package of a lock file."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """A published fault of a package."""

    pin: Pin
    advisory: str


def pins(lock: str) -> set[Pin]:
    """The packages of a lock file's text."""
    return {Pin(name.lower(), version) for name, version in _PIN.findall(lock)}


def known_faults(asked: Sequence[Pin], url: str, within_s: float = WITHIN_S) -> list[Fault]:
    """What the service knows, asked once for all packages. Raises NotCheckedError after `within_s` at the latest."""
    found: list[list[Fault]] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            found.append(_ask(asked, url, within_s))
        except urllib.error.HTTPError as error:
            error.close()
            failed.append(error)
        except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError, AttributeError) as error:
            failed.append(error)

    # A socket's time-out is that of one read, and a name is looked up without any.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(within_s)
    if found:
        return found[0]
    raise NotCheckedError(type(failed[0]).__name__ if failed else f"no answer within {within_s:g} s")


def _ask(asked: Sequence[Pin], url: str, within_s: float) -> list[Fault]:
    queries = [{"package": {"name": pin.name, "ecosystem": "PyPI"}, "version": pin.version} for pin in asked]
    request = urllib.request.Request(  # noqa: S310 - the address is ours or the operator's
        url, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=within_s) as answer:  # noqa: S310 - as above
        results = json.loads(answer.read(_ANSWER_MAX_BYTES))["results"]
    if len(results) != len(asked):
        raise ValueError("another number of answers than of questions")
    return sorted(
        Fault(pin, str(fault["id"]))
        for pin, result in zip(asked, results, strict=True)
        for fault in result.get("vulns") or ()
    )


def report(faults: Iterable[Fault], accepted: Mapping[str, str]) -> list[str]:
    """A line for each fault that nobody has accepted."""
    return [f"{one.pin.name} {one.pin.version}: {one.advisory}" for one in faults if one.advisory not in accepted]


def accepted_by(project: Path) -> Mapping[str, str]:
    """Advisories that were judged to be of no matter here, with the reason: ``[tool.advisories.accepted]``."""
    tree = tomllib.loads(project.read_text(encoding="utf-8"))
    accepted: dict[str, str] = tree.get("tool", {}).get("advisories", {}).get("accepted", {})
    return accepted


def main(locks: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Check the packages of some lock files; return the exit code."""
    asked = sorted({pin for lock in locks for pin in pins(Path(lock).read_text(encoding="utf-8"))})
    try:
        faults = known_faults(asked, environ.get("ORDERLANE_ADVISORIES_URL") or SERVICE)
    except NotCheckedError as error:
        print(f"dependencies: not checked for published faults ({error})")
        return 0
    lines = report(faults, accepted_by(Path(__file__).parents[1] / "pyproject.toml"))
    for line in lines:
        print(f"dependencies: published fault of {line}")
    if not lines:
        print(f"dependencies: no published fault is known of {len(asked)} packages")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
