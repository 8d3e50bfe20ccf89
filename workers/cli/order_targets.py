"""What a command on orders was told to act on: one, several, those of a file, or all that match a filter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from infra.engine.author import Author
from infra.tables.order_list import OrderFilter
from infra.tables.pool import Database
from ops.verbs.choose import orders_named, orders_of
from workers.cli.many import Many, act_on_many, one_way


@dataclass(frozen=True, slots=True)
class OrderTargets:
    """The orders that a command was told to act on."""

    ids: Sequence[str]
    wanted: OrderFilter
    many: Many

    @property
    def is_one(self) -> bool:
        return len(self.ids) == 1 and not self.many.is_asked and self.wanted.is_empty

    def check(self) -> None:
        one_way(self.ids, self.many, is_filtered=not self.wanted.is_empty, what="which orders")


def act_on_orders(
    ctx: click.Context,
    db: Database,
    verb: str,
    params: Mapping[str, Any],
    *,
    asked: OrderTargets,
    author: Author,
    as_json: bool,
) -> None:
    """Make a bulk act of what was chosen, and end the command with its exit code."""
    items = orders_of(db, asked.wanted) if not asked.wanted.is_empty else orders_named(db, asked.many.names(asked.ids))
    chosen = asked.many.chosen(asked.ids, asked.wanted.asked())
    act_on_many(ctx, db, verb, params, items, chosen=chosen, author=author, many=asked.many, as_json=as_json)
