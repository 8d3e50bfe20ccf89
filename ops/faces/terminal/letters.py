"""Dead letters on a terminal. Times are China's (UTC+8)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from infra.engine.replay import ReplayAnswer, Replayed
from infra.tables.letters import Letter, LetterCause, WholeLetter
from ops.faces.terminal.layout import china_minute, china_span, china_time, plain_grid, plain_table
from ops.faces.terminal.words import WORDS, cause_in_words
from ops.views.letters import Preview

# Of a fingerprint; `--cause` takes any beginning that no other shares.
CAUSE_SHOWN = 8
_SEEN, _DIED = "seen (UTC+8)", "died (UTC+8)"
_STYLES = {ReplayAnswer.REPLAYED: "green", ReplayAnswer.SUPERSEDED: "yellow", ReplayAnswer.REFUSED: "bold red"}


def print_causes(causes: Sequence[LetterCause], limit: int, console: Console) -> None:
    """One line for each cause, the biggest first; `limit` of them."""
    if not causes:
        console.print("no open dead letters")
        return
    total = sum(cause.letters for cause in causes)
    console.print(f"{_count(total, 'open dead letter')} of {_count(len(causes), 'cause')}")
    numbers = ("letters", "orders", "at risk")
    table = plain_table(*numbers, "what", _SEEN, "cause", right=numbers, whole=(*numbers, _SEEN, "cause"))
    for cause in causes[:limit]:
        table.add_row(
            str(cause.letters),
            str(cause.orders),
            "\n".join(map(str, cause.at_risk)) or "–",
            " ".join(filter(None, (cause.step, cause.adapter, cause.code))),
            china_span(cause.first_seen, cause.last_seen),
            cause.fingerprint[:CAUSE_SHOWN],
        )
    console.print(table)
    if len(causes) > limit:
        console.print(f"and {_count(len(causes) - limit, 'smaller cause')}: --limit {len(causes)}")


def print_letters(letters: Sequence[Letter], more_after: int | None, console: Console) -> None:
    """A page of open letters, oldest first."""
    if not letters:
        console.print("no open dead letter matches")
        return
    table = plain_table(
        "letter",
        _DIED,
        "what",
        "at risk",
        "cause",
        right=("letter", "at risk"),
        whole=("letter", _DIED, "at risk", "cause"),
    )
    for one in letters:
        table.add_row(
            str(one.id),
            china_minute(one.opened_at),
            _what(one),
            str(one.at_risk or "–"),
            one.fingerprint[:CAUSE_SHOWN],
        )
    console.print(table)
    if more_after is not None:
        console.print(f"more: --after {more_after}")


def _what(letter: Letter) -> str:
    died_of = " ".join(filter(None, (letter.step, letter.account, letter.code)))
    replayed = f", {_count(letter.replays, 'replay')}" if letter.replays else ""
    return f"{died_of}{replayed}\n{letter.order_name or 'no order yet'}"


def print_letter(letter: WholeLetter, preview: Preview | None, console: Console) -> None:
    """One letter with its cause chain, the first try first, and what a replay would do."""
    grid = plain_grid()
    grid.add_row("letter", f"{letter.id}   {letter.step}: {letter.code}")
    grid.add_row("cause", letter.fingerprint)
    grid.add_row("order", letter.order_name or "none yet")
    if letter.at_risk:
        grid.add_row("at risk", str(letter.at_risk))
    if letter.order_id is not None:
        grid.add_row("look", f"orderlane order show {letter.order_id}")
    grid.add_row("account", f"{letter.account or '–'}   lane {letter.lane}   subject {letter.subject_id}")
    grid.add_row("died", f"{china_time(letter.opened_at)} (UTC+8)")
    grid.add_row("owner", f"{letter.owner}, must look by {china_time(letter.due_at)}")
    grid.add_row("tries", f"{letter.attempts}   crashes {letter.crashes}   replayed before {letter.replays}")
    grid.add_row(
        "given up by",
        f"worker {letter.worker or 'unknown'}   code {letter.code_version or 'unknown'}"
        f"   rules {letter.rules_version or 'unknown'}",
    )
    if letter.closed_at:
        grid.add_row("closed", f"{letter.closed_as} by {letter.closed_by}, {china_time(letter.closed_at)}")
        grid.add_row("reason", WORDS.stored(letter.closed_reason) or "–")
    for label, line in _tries(letter.causes):
        grid.add_row(label, line)
    if preview is not None:
        grid.add_row("a replay", preview_in_words(preview))
    console.print(grid)


def preview_in_words(preview: Preview) -> str:
    """What a replay of the letter would do."""
    why = WORDS.reason(preview.why or preview.next_try)
    if preview.next_try is not None and preview.resume:
        return WORDS.say("phrase.resumes", {"state": preview.resume, "next_try": why})
    return WORDS.say("phrase.closes_as_superseded", {"why": why}) if preview.answer is ReplayAnswer.SUPERSEDED else why


def preview_tree(preview: Preview) -> dict[str, Any]:
    """For scripts: with `what`, the preview in English."""
    return {**msgspec.to_builtins(preview), "what": preview_in_words(preview)}


def replayed_tree(replayed: Replayed) -> dict[str, Any]:
    """For scripts: `why` in English, and its code."""
    code = replayed.why.code if replayed.why else ""
    return {**msgspec.to_builtins(replayed), "why": WORDS.reason(replayed.why), "why_code": code}


def letter_tree(letter: WholeLetter) -> dict[str, Any]:
    """For scripts: `closed_reason` in English where the machine closed it."""
    return {**msgspec.to_builtins(letter), "closed_reason": closed_reason(letter)}


def closed_reason(letter: WholeLetter) -> str | None:
    return letter.closed_reason if letter.closed_reason is None else WORDS.stored(letter.closed_reason)


def _tries(causes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Each try with its own time and what stood behind it; one that ended as the try before says so."""
    before: list[str] = []
    for cause in causes:
        links = list(cause_in_words(cause))
        when = china_time(datetime.fromisoformat(cause["when"])) if cause.get("when") else "time unknown"
        yield f"try {cause.get('attempt', '?')}", f"{when}  {'the same' if links == before else links[0]}"
        if links != before:
            yield from (("because of", link) for link in links[1:])
        before = links


def print_previews(previews: Iterable[Preview], console: Console) -> None:
    table = plain_table("letter", "order is", "a replay", whole=("letter", "order is"))
    for one in previews:
        table.add_row(str(one.letter_id), one.state or "–", Text(preview_in_words(one), _STYLES[one.answer]))
    console.print(table)


def print_replayed(answers: Iterable[Replayed], console: Console) -> None:
    table = plain_table("letter", "is", "why", whole=("letter", "is"))
    for one in answers:
        table.add_row(str(one.letter_id), Text(one.answer, _STYLES[one.answer]), WORDS.reason(one.why))
    console.print(table)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"
