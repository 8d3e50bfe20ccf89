"""How old the cursors of shops are, and which shops must be reported."""

from collections.abc import Iterable

from infra.config.settings import Shop
from infra.tables.pool import Connection
from infra.tables.shops import CursorRow, load_cursor_ages

# A shop has caught up once its cursor is younger than this share of its allowed age, so that a shop near its limit is
# not reported twice.
_CALM = 1 / 2


class CursorAge(CursorRow):
    """The age of a shop's cursor, and whether it must be reported."""

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
        """The shop was reported as behind, and is no longer behind."""
        return self.reported_s is not None and self.is_calm


def cursor_ages(connection: Connection, shops: Iterable[Shop]) -> list[CursorAge]:
    """The configured shops that have a row, by account."""
    patiences = {shop.account: shop.cursor_patience_s for shop in shops}
    return [CursorAge(*row) for row in load_cursor_ages(connection, patiences)]
