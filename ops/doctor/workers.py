"""Whether the running workers have the installed code and the present rules."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from domain.errors import Misconfigured
from infra.config.rules import load_rules
from infra.config.settings import Settings
from infra.engine.reports import living
from infra.tables.pool import Connection
from infra.tables.reports import Report
from ops.doctor.check import Check, ok, warn

_NAMED_MAX = 5


def versions(session: Connection, settings: Settings) -> Iterator[Check]:
    """One check for the rules and one for the code; none where no worker runs."""
    reports = living(session)
    if not reports:
        return
    try:
        rules = load_rules(settings.rules_file).version
    except Misconfigured:
        return  # the check of the rules says so
    yield _compared("worker rules", rules, [(one, one.rules_version) for one in reports])
    yield _compared("worker code", version("orderlane"), [(one, one.code_version) for one in reports])


def _compared(name: str, wanted: str, running: Sequence[tuple[Report, str]]) -> Check:
    others = [f"{one.worker} ({one.pool}) runs {runs}" for one, runs in running if runs != wanted]
    if not others:
        return ok(name, f"all {len(running)} workers run version {wanted}")
    named = ", ".join(others[:_NAMED_MAX]) + (", …" if len(others) > _NAMED_MAX else "")
    message = f"{len(others)} of {len(running)} workers do not run version {wanted}: worker {named}"
    return warn(name, message, "restart the workers: they read rules and code at their start only")
