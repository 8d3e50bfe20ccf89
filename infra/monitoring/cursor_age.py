"""How old the cursors of shops are, and of whom somebody must hear."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from infra.config.settings import Shop
from infra.tables.pool import Connection
from infra.tables.sql import load

ACCOUNTS = load("accounts")

# A shop has caught up once its cursor is this share of its patience old: one near its limit is not told of twice.
_CALM = 1 / 2


class CursorAge(NamedTuple):
    """How far back the changes of a shop are stored: `cursor_at`, or its row's age where it was never read.

    `patience_s`: the age that its settings allow. `told_s`: since somebody was last told that it is behind.
    """

    account: str
    cursor_at: datetime | None
    age_s: float
    patience_s: float
    told_s: float | None
    is_paused: bool

    @property
    def is_behind(self) -> bool:
        """Older than allowed, and not because a person paused the shop."""
        return self.age_s > self.patience_s and not self.is_paused

    @property
    def is_calm(self) -> bool:
        """So far from its limit that it is not behind again at once."""
        return self.age_s <= self.patience_s * _CALM

    @property
    def has_caught_up(self) -> bool:
        """Somebody was told that it is behind, and it no longer is."""
        return self.told_s is not None and self.is_calm


def cursor_ages(connection: Connection, shops: Iterable[Shop]) -> list[CursorAge]:
    """The configured shops that have a row, by account."""
    patiences = {shop.account: shop.cursor_patience_s for shop in shops}
    named = {"accounts": list(patiences), "patiences_s": list(patiences.values())}
    return [CursorAge(*row) for row in connection.execute(ACCOUNTS["cursor_ages"], named).fetchall()]
