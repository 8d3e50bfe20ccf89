"""Dead letters on a terminal. Times are China's (UTC+8)."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from domain.money import Money
from infra.db.letters import Letter, LetterCause, WholeLetter
from infra.engine.replay import Answer, Replayed
from ops.letters import Preview
from ops.terminal import china_time, plain_grid, plain_table
from ops.words import cause_in_words

_STYLES = {Answer.REPLAYED: "green", Answer.SUPERSEDED: "yellow", Answer.REFUSED: "bold red"}


def print_causes(causes: Sequence[LetterCause], console: Console) -> None:
    """One line for each cause, the biggest first."""
    if not causes:
        console.print("no open dead letters")
        return
    total = sum(cause.letters for cause in causes)
    console.print(f"{total} open dead letters of {len(causes)} causes")
    table = plain_table("letters", "orders", "at risk", "step", "adapter", "code", "first seen", "last seen", "cause")
    for column in table.columns[:3]:
        column.justify = "right"
    for cause in causes:
        table.add_row(
            str(cause.letters),
            str(cause.orders),
            _amounts(cause.at_risk),
            cause.step,
            cause.adapter or "–",
            cause.code,
            china_time(cause.first_seen),
            china_time(cause.last_seen),
            cause.fingerprint,
        )
    console.print(table)


def print_letters(letters: Sequence[Letter], more_after: int | None, console: Console) -> None:
    """A page of open letters, oldest first."""
    if not letters:
        console.print("no open dead letter matches")
        return
    table = plain_table("letter", "step", "account", "code", "order", "at risk", "died", "tries", "replays", "cause")
    for one in letters:
        table.add_row(
            str(one.id),
            one.step,
            one.account or "–",
            one.code,
            one.order_name or "–",
            str(one.at_risk or "–"),
            china_time(one.opened_at),
            str(one.attempts),
            str(one.replays),
            one.fingerprint,
        )
    console.print(table)
    if more_after is not None:
        console.print(f"more: --after {more_after}")


def print_letter(letter: WholeLetter, preview: Preview | None, console: Console) -> None:
    """One letter with its cause chain, the first try first, and what a replay would do."""
    grid = plain_grid()
    grid.add_row("letter", f"{letter.id}   {letter.step}: {letter.code}   cause {letter.fingerprint}")
    grid.add_row("order", _order(letter))
    grid.add_row("account", f"{letter.account or '–'}   lane {letter.lane}   subject {letter.subject_id}")
    grid.add_row("died", f"{china_time(letter.opened_at)}   {letter.owner} must look by {china_time(letter.due_at)}")
    grid.add_row("tries", f"{letter.attempts}   crashes {letter.crashes}   replayed before {letter.replays}")
    grid.add_row(
        "given up by",
        f"worker {letter.worker or 'unknown'}   code {letter.code_version or 'unknown'}"
        f"   rules {letter.rules_version or 'unknown'}",
    )
    if letter.closed_at:
        grid.add_row("closed", f"{letter.closed_as} by {letter.closed_by}, {china_time(letter.closed_at)}")
        grid.add_row("reason", letter.closed_reason or "–")
    for cause in letter.causes:
        label = f"try {cause.get('attempt', '?')}"
        for link in cause_in_words(cause):
            grid.add_row(label, link)
            label = "because of"
    if preview is not None:
        grid.add_row("a replay", preview.what)
    console.print(grid)


def print_previews(previews: Iterable[Preview], console: Console) -> None:
    table = plain_table("letter", "order is", "a replay")
    for one in previews:
        table.add_row(str(one.letter_id), one.state or "–", Text(one.what, _STYLES[Answer(one.answer)]))
    console.print(table)


def print_replayed(answers: Iterable[Replayed], console: Console) -> None:
    table = plain_table("letter", "", "")
    for one in answers:
        table.add_row(str(one.letter_id), Text(one.answer, _STYLES[one.answer]), one.why)
    console.print(table)


def _order(letter: WholeLetter) -> str:
    if letter.order_name is None:
        return "none yet"
    worth = f"   {letter.at_risk} at risk" if letter.at_risk else ""
    return f"{letter.order_name}{worth}   orderlane order show {letter.order_id}"


def _amounts(amounts: Iterable[Money]) -> str:
    return ", ".join(map(str, amounts)) or "–"
