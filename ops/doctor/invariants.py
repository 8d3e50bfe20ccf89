"""Whether everything that must always hold does hold."""

from infra.monitoring.invariants import find_breaches
from infra.tables.invariants import SENTENCES
from infra.tables.pool import Connection
from ops.doctor.check import Check, fail, ok


def check(session: Connection) -> Check:
    breaches = find_breaches(session)
    if not breaches:
        return ok("invariants", f"all {len(SENTENCES)} hold")
    shown = "; ".join(
        f"{breach.name}: {breach.examples[0]}"
        + (f" and {len(breach.examples) - 1} more" if breach.examples[1:] else "")
        for breach in breaches
    )
    return fail("invariants", shown, "a defect: read docs/how-to/runbook.md, and `orderlane order show` for each order")
