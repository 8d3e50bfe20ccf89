"""Whether the purge keeps up, how large the tables are, and what a feed has filled."""

from collections.abc import Iterator

from infra.config.retention import Retention
from infra.tables.pool import Connection
from ops.doctor.check import Check, ok, warn
from ops.faces.terminal.retention import in_bytes
from ops.faces.terminal.words import WORDS
from ops.views.retention import RetentionState, retention_state

_LARGEST = 5


def all_checks(session: Connection, policy: Retention) -> Iterator[Check]:
    found = retention_state(session, policy)
    yield sizes(found)
    yield keeps_up(found)
    yield limits(found)


def sizes(found: RetentionState) -> Check:
    largest = ", ".join(
        f"{one.table} {in_bytes(one.bytes)}, about {one.rows:,} rows"
        + (f" since {one.oldest:%Y-%m-%d}" if one.oldest else "")
        for one in found.sizes[:_LARGEST]
    )
    total = sum(one.bytes for one in found.sizes)
    return ok("sizes", f"{in_bytes(total)} in all; {largest}")


def keeps_up(found: RetentionState) -> Check:
    kept = "kept: " + ", ".join(f"{one.kind} {WORDS.kept(one.days)}" for one in found.policies)
    if found.erasures_late:
        advice = "`orderlane erase list`; stop the orders that are in the way, or tell the person why they wait"
        return warn("retention", f"{found.erasures_late} erasures are past their due time; {kept}", advice)
    if found.late_days:
        advice = "is `orderlane run` running? Else `orderlane retention purge`"
        return warn("retention", f"the purge is {found.late_days:.0f} days behind; {kept}", advice)
    return ok("retention", kept)


def limits(found: RetentionState) -> Check:
    if not found.refused_inputs:
        return ok("limits", "no limit was reached")
    shown = ", ".join(f"{one.kind} of {one.name} {one.count}" for one in found.refused_inputs)
    return warn("limits", f"refused beyond a limit: {shown}", "ask the feed's owner; see docs/reference/retention.md")
