"""A dry run of a payload, for scripts and people alike."""

from typing import Any

import msgspec

from domain.holds import HOLDS, Finding
from ops.faces.terminal.words import WORDS
from ops.views.dry_run import DryRun


def dry_run_tree(result: DryRun) -> dict[str, Any]:
    """The order's fields, `fulfilled_by`, `intake` and `holds`. Money is ``{"minor": 32358, "currency": "CNY"}``."""
    tree: dict[str, Any] = msgspec.to_builtins(result.order)
    return {
        **tree,
        "fulfilled_by": result.order.fulfilled_by,
        "intake": {"state": result.intake.state, "reason": result.intake.reason},
        "holds": [_hold(finding) for finding in result.findings],
    }


def _hold(finding: Finding) -> dict[str, Any]:
    rule = HOLDS[finding.code]
    return {
        "code": finding.code,
        "meaning": WORDS.meaning(finding.code),
        "owner": rule.owner,
        "due_h": rule.due_h,
        "rule": finding.rule,
        "facts": dict(finding.facts),
    }
