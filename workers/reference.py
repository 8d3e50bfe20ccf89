"""The pages of the reference that are made from the code: ``python -m workers.reference [FOLDER]``.

Commands, settings, holds and states are written down once, where they are declared; a test compares the pages with it.
"""

import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import click
import msgspec

from domain.cases import CASES
from domain.clocks import CLOCKS
from domain.holds import HOLDS
from domain.states import FINAL_STATES, MOVES, State
from infra.config.secret import Secret
from infra.config.settings import Settings
from workers.main import main

FOLDER = Path("docs/reference")
_MADE = "This page is made from the code by `make reference`; a test compares it."
_PLAIN = {
    datetime: "time with its zone",
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Secret: "`env:NAME` or `file:PATH`",
}


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    made: Mapping[str, Callable[[], Iterator[str]]] = {
        "commands.md": _commands,
        "settings.md": _settings,
        "holds.md": _holds,
        "cases.md": _cases,
        "clocks.md": _clocks,
        "states.md": _states,
    }
    return {name: "\n".join(lines()) + "\n" for name, lines in made.items()}


def _commands() -> Iterator[str]:
    yield from ("# Commands", "", _MADE, "")
    yield "Exit codes: 0 done, 1 failed, 2 usage, 3 held, 4 quarantined, 5 refused, 6 partly done, 7 unreachable."
    yield "Every command takes `--help`, which also shows an example."
    for path, command in commands():
        yield from ("", f"## orderlane {' '.join(path)}", "")
        context = click.Context(command, info_name=f"orderlane {' '.join(path)}")
        yield f"`{context.get_usage().removeprefix('Usage: ').replace(chr(10), ' ')}`"
        yield ""
        yield from _paragraphs(command.help or "")
        options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
        if options:
            yield from ("", "| option | meaning |", "|---|---|")
            yield from (_option(one, context) for one in options)


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by the words that name it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield (*path, name), command
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def _paragraphs(text: str) -> Iterator[str]:
    yield text.replace("\b", "").strip().replace("\n ", "\n")


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    names, meaning = record or (", ".join(option.opts), "")
    return f"| `{_cell(' '.join(names.split()))}` | {_cell(' '.join(meaning.split()))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _settings() -> Iterator[str]:
    yield from ("# Settings", "", _MADE, "")
    yield "`orderlane.toml` is read from the current folder, or from where `ORDERLANE_SETTINGS` says. Unknown keys are"
    yield "errors. `ORDERLANE_DATABASE_URL`, `ORDERLANE_REDIS_URL` and `ORDERLANE_DATA_DIR` outrank the file."
    yield from _section(Settings, "")
    seen: set[type] = set()
    waiting: list[tuple[str, type[msgspec.Struct]]] = list(_tables(Settings, ""))
    while waiting:
        name, kind = waiting.pop(0)
        if kind in seen:
            continue
        seen.add(kind)
        yield from _section(kind, name)
        waiting.extend(_tables(kind, name.strip("[]")))


def _section(kind: type[msgspec.Struct], name: str) -> Iterator[str]:
    yield from ("", f"## `{name}`" if name else "## Top level", "")
    if name:
        yield from _paragraphs("\n".join(line.strip() for line in (kind.__doc__ or "").splitlines()))
    yield from ("", "| key | kind | without it |", "|---|---|---|")
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        yield f"| `{field.encode_name}` | {_kind(hints[field.name])} | {_default(field)} |"


def _tables(kind: type[msgspec.Struct], name: str) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """The tables below a table, as TOML writes their heads."""
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        below = f"{name}.{field.encode_name}" if name else field.encode_name
        hint = hints[field.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield f"[{below}]", hint
        elif typing.get_origin(hint) is tuple and _is_struct(typing.get_args(hint)[0]):
            yield f"[[{below}]]", typing.get_args(hint)[0]


def _is_struct(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _kind(hint: Any) -> str:  # noqa: ANN401, PLR0911 - an annotation may be anything; one return a kind
    origin, within = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is typing.Literal:
        return " or ".join(f'`"{value}"`' for value in within)
    if origin is tuple:
        return "tables" if _is_struct(within[0]) else f"list of {_kind(within[0])}"
    if origin in {typing.Union, UnionType}:
        return _kind(next(one for one in within if one is not NoneType))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return " or ".join(f'`"{value}"`' for value in hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_kind(within[1])}"
    if _is_struct(hint):
        return "table"
    return str(getattr(hint, "__name__", hint))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "**required**"
    if field.default is msgspec.NODEFAULT or isinstance(field.default, msgspec.Struct):
        return "the defaults below" if isinstance(field.default, msgspec.Struct) else "none, or the usual ones"
    if isinstance(field.default, Secret) or field.default in {None, "", ()}:
        return "none"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else _value(field.default)}`"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{one}"' for one in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _holds() -> Iterator[str]:
    yield from ("# Holds", "", _MADE, "")
    yield "Why an order stands still, who is to act, and within how many hours. `orderlane order release ID --code CODE"
    yield "--reason R` ends a hold. Rules may move an owner's due time; the order's ship-by time comes first."
    yield from ("", "| code | owner | hours | meaning |", "|---|---|---|---|")
    for code, rule in HOLDS.items():
        yield f"| `{code}` | {rule.owner} | {rule.due_h} | {_cell(rule.meaning)} |"


def _cases() -> Iterator[str]:
    yield from ("# Cases", "", _MADE, "")
    yield "A case is trouble with a parcel, or what a buyer asks for after it has left. A case stops no order."
    yield "Its owner acts outside, within so many hours, and closes the case: `orderlane case close N --reason R`. A"
    yield "closed case is not opened again by what opened it."
    yield from ("", "| kind | owner | hours | meaning |", "|---|---|---|---|")
    for kind, rule in CASES.items():
        yield f"| `{kind}` | {rule.owner} | {rule.due_h} | {_cell(rule.meaning)} |"


def _clocks() -> Iterator[str]:
    yield from ("# Clocks", "", _MADE, "")
    yield "What runs for an order or a parcel, and what happens when the time is over. The command `orderlane order due"
    yield "--clock all` lists the clocks that run, the first due first."
    yield from ("", "| clock | runs from | lasts | stops with | owner | then |", "|---|---|---|---|---|---|")
    for name, clock in CLOCKS.items():
        cells = (clock.starts, clock.lasts, clock.ends, clock.owner, clock.then)
        yield f"| `{name}` | {' | '.join(map(_cell, cells))} |"


def _states() -> Iterator[str]:
    yield from ("# States", "", _MADE, "")
    yield "The state of a fulfillment order, the states that it may move to, and who may move it. Payment, reservation,"
    yield "label, write-back and notice move no state. A move that is not here is refused and recorded."
    yield from ("", "| state | may become | by |", "|---|---|---|")
    for state in State:
        moves = [(to, causes) for (now, to), causes in MOVES.items() if now is state]
        end = " (an end)" if state in FINAL_STATES else ""
        if not moves:
            yield f"| `{state}`{end} | | |"
        for to, causes in moves:
            yield f"| `{state}`{end} | `{to}` | {', '.join(sorted(causes))} |"


def write(folder: Path) -> None:
    """Write every page below `folder`."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
