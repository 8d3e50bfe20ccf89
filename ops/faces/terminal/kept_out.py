"""Kept-out orders, and the results of adopting some, on a terminal. Times are China's (UTC+8)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from actors.take_over import Adopted, Adoption
from domain.money import Money
from domain.take_over import NOT_TAKEN_OVER, WATCHED
from infra.tables.take_over import KeptOutRow
from ops.faces.terminal.layout import china_minute, plain_table
from ops.faces.terminal.words import WORDS

_REASONS = {NOT_TAKEN_OVER: "paid before the take-over", WATCHED: "its shop is only watched"}
_OUTCOMES = {"wait": "wait for its payment", "nothing": "nothing: shipped or ended elsewhere"}
_BECAME = {
    Adoption.ADOPTED: "adopted",
    Adoption.NOT_KEPT_OUT: "was not kept out, or was adopted before",
    Adoption.SHIPPED_ELSEWHERE: "left alone: its platform shows it as shipped",
    Adoption.OVER: "left alone: nothing is left to ship",
    Adoption.FORGOTTEN: "left alone: its content was erased",
    Adoption.WAITS: "left alone while workers of an earlier version run: some of it is shipped",
}


def why_kept_out(reason: str) -> str:
    """Why an order is kept out, in words; the code itself where there are none."""
    return _REASONS.get(reason, reason)


def decision_in_words(
    outcome: str | None, holds: Sequence[Mapping[str, Any]], packages: Sequence[Mapping[str, Any]]
) -> str:
    """What would have been done with an order."""
    if outcome == "ship":
        return "ship " + ", ".join(f"from {one['location']} by {one['courier']}" for one in packages)
    if outcome == "hold":
        return "hold: " + "; ".join(_hold(one) for one in holds)
    return _OUTCOMES.get(outcome or "", "not decided")


def _hold(hold: Mapping[str, Any]) -> str:
    facts = WORDS.facts(hold["facts"])
    return f"{hold['code']} ({facts})" if facts else str(hold["code"])


def print_kept_out(rows: Sequence[KeptOutRow], limit: int, console: Console) -> None:
    """A line of sums, then the first `limit` orders."""
    if not rows:
        console.print("no such order is kept out")
        return
    reasons = Counter(row.reason for row in rows)
    console.print(
        f"{len(rows)} kept out: " + ", ".join(f"{count} {why_kept_out(one)}" for one, count in sorted(reasons.items())),
        soft_wrap=True,
    )
    table = plain_table("order", "paid (UTC+8)", "money", "platform", "why", "would", right=("money",))
    for row in rows[:limit]:
        table.add_row(
            f"{row.platform}/{row.shop}/{row.platform_order_id}",
            china_minute(row.paid_at) if row.paid_at else "unknown",
            str(Money(row.payable_minor, row.currency)),
            row.platform_state,
            row.reason,
            decision_in_words(row.outcome, row.holds or (), row.packages or ()),
        )
    console.print(table)
    if len(rows) > limit:
        console.print(f"and {len(rows) - limit} more")


def print_adopted(done: Sequence[tuple[str, Adopted]], console: Console, *, is_trial: bool) -> None:
    """(order as it was named, what became of it): a line for each that was not adopted, and the sums."""
    for name, one in done:
        if one.outcome is not Adoption.ADOPTED:
            console.print(f"{name}: {_BECAME[one.outcome]}" + (f" ({one.why})" if one.why else ""))
    console.print(sums_in_words([one for _, one in done], is_trial=is_trial))


def sums_in_words(done: Iterable[Adopted], *, is_trial: bool) -> str:
    """How many orders were adopted, or would be, and how many were left alone."""
    counts = Counter(one.outcome is Adoption.ADOPTED for one in done)
    verb = "would be adopted" if is_trial else "adopted"
    return f"{counts[True]} {verb}, {counts[False]} left alone"
