"""A verb on many at the command line: what was named, a draft with its preview, and its end."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import click

from domain.bulk_acts import ActState
from domain.errors import Conflict
from infra.engine.author import Author
from infra.tables.bulk_acts import BulkAct
from infra.tables.pool import Database
from ops.faces.terminal.bulk_acts import print_act
from ops.verbs.bulk_acts import NamedItem, confirm, draft, work_off
from ops.verbs.choose import FILE_BYTES_MAX, Named, numbered, read_names
from ops.verbs.many import VERBS
from ops.views.bulk_acts import look
from workers.cli.bulk import exit_of_act
from workers.cli.output import console, say_json
from workers.cli.values import WHOLE


class Filter(Protocol):
    """A filter of items. `asked`: what is asked, by name."""

    @property
    def is_empty(self) -> bool: ...

    def asked(self) -> Mapping[str, Any]: ...


W = TypeVar("W", bound=Filter)

FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@dataclass(frozen=True, slots=True)
class Many:
    """How a command was told what to act on, and how to go on."""

    file: Path | None
    column: str | None
    expect: int | None
    here: bool

    @property
    def is_asked(self) -> bool:
        """Whether a file was named, or how a bulk shall be confirmed."""
        return self.file is not None or self.expect is not None or self.here

    def names(self, given: Sequence[str]) -> Named:
        """What was named on the command line, or in the file."""
        if self.file is None:
            return list(enumerate(given, 1))
        return read_names(body_of(self.file), self.column)

    def chosen(self, given: Sequence[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """How the items were chosen, without what stood in the file: that may be anything."""
        if self.file is not None:
            return {"file": self.file.name, **({"column": self.column} if self.column else {})}
        return {"names": len(given)} if given else {name: str(value) for name, value in wanted.items() if value}


def many_options(command: Callable[..., object]) -> Callable[..., object]:
    """``--from``, ``--column``, ``--expect`` and ``--here``, as the command's `many`."""

    @functools.wraps(command)
    def gathered(
        *given: object, file: Path | None, column: str | None, expect: int | None, here: bool, **named: object
    ) -> object:
        if column is not None and file is None:
            raise click.UsageError("--column is one of a file: name it with --from")
        if here and expect is None:
            raise click.UsageError("--here does what is confirmed: say --expect N too, or `bulk confirm --here`")
        return command(*given, many=Many(file, column, expect, here), **named)

    options = (
        click.option("--here", is_flag=True, help="Carry it out in this command instead of in the sweeper."),
        click.option("--expect", type=WHOLE, metavar="N", help="Carry it out at once if exactly N items would change."),
        click.option("--column", metavar="C", help="The file is a CSV with a header: the column of the ids."),
        click.option("--from", "file", type=FILE, metavar="FILE", help="Ids from a file, one a line; -: from stdin."),
    )
    for option in options:
        gathered = option(gathered)
    return gathered


@dataclass(frozen=True, slots=True)
class Numbered(Generic[W]):
    """Items with numbers of our own: `given` by name, or those of a filter, which `find` looks for."""

    given: Sequence[str]
    wanted: W
    find: Callable[[Database, W], Sequence[NamedItem]]

    def one_number(self, many: Many, *, what: str) -> int | None:
        """The one item that is named by its number; None where several may be meant.

        `what`: the argument, such as HOLD. Raises click.UsageError unless the items were chosen in one way, and
        click.BadParameter for a name that is no number.
        """
        one_way(self.given, many, is_filtered=not self.wanted.is_empty, what=f"which {what.lower()}s")
        if len(self.given) != 1 or many.is_asked:
            return None
        [one] = numbered(many.names(self.given))
        if one.subject_id is None:
            raise click.BadParameter(f"{self.given[0]!r} is not the number of a {what.lower()}", param_hint=what)
        return one.subject_id

    def items(self, db: Database, many: Many) -> tuple[Sequence[NamedItem], dict[str, Any]]:
        """The items, and how they were chosen."""
        items = numbered(many.names(self.given)) if self.wanted.is_empty else self.find(db, self.wanted)
        return items, many.chosen(self.given, self.wanted.asked())


def letters_in(file: Path) -> tuple[int, ...]:
    """The numbers in a file, one a line, each once. Raises click.BadParameter for a line that is no number."""
    found = numbered(read_names(body_of(file), None))
    wrong = next((one.position for one in found if one.subject_id is None), None)
    if wrong is not None:
        raise click.BadParameter(f"line {wrong} is not the number of a letter", param_hint="--from")
    return tuple(dict.fromkeys(one.subject_id for one in found if one.subject_id is not None))


def one_way(given: Sequence[str], many: Many, *, is_filtered: bool, what: str) -> None:
    """Raises click.UsageError unless exactly one of names, a file and a filter was given."""
    if sum((bool(given), many.file is not None, is_filtered)) != 1:
        raise click.UsageError(f"say {what} in one way: their ids, --from FILE, or a filter")


def act_on_many(
    ctx: click.Context,
    db: Database,
    verb: str,
    params: Mapping[str, Any],
    items: Sequence[NamedItem],
    *,
    chosen: Mapping[str, Any],
    author: Author,
    many: Many,
    as_json: bool,
) -> None:
    """Draft the verb on many; where the count was foretold, confirm it too. Ends the command with its exit code."""
    made = draft(db, VERBS[verb], params, items, chosen=chosen, author=author)
    if many.expect is not None:
        would = made.foreseen.get(VERBS[verb].done, 0)
        if would != many.expect:
            show_act(made, as_json=as_json)
            raise Conflict("preview_changed", facts={"fault": "count", "would": would, "expected": many.expect})
        made = confirm(db, made.id, made.token, author)
    end_act(ctx, db, made, here=many.here, as_json=as_json)


def end_act(ctx: click.Context, db: Database, act: BulkAct, *, here: bool, as_json: bool) -> None:
    """Work a confirmed bulk act off in this command, if asked to; print it, and end the command."""
    if here and act.state == ActState.RUNNING:
        work_off(db, act.id)
        act = look(db, act.id)
    show_act(act, as_json=as_json)
    ctx.exit(exit_of_act(act))


def show_act(act: BulkAct, *, as_json: bool) -> None:
    if as_json:
        say_json(act)
    else:
        print_act(act, (), console())


def body_of(file: Path) -> bytes:
    """The bytes of a named file or of stdin, at most one more than a file may have. Raises click.BadParameter."""
    try:
        with click.open_file(str(file), "rb") as stream:
            body: bytes = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise click.BadParameter(f"the file cannot be read: {why}", param_hint="--from") from None
    return body
