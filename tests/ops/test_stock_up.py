from msgspec.structs import replace

from domain.errors import FulfilmentError
from infra.clock import SystemClock
from ops.stock_up import stock_up


def count(played) -> tuple[int, int]:
    with played.db.connection() as connection:
        return connection.execute("SELECT count(*), sum(on_hand) FROM stock_location").fetchone()


def test_a_second_load_leaves_known_stock_alone(played) -> None:
    before = count(played)
    loaded = stock_up(played.settings, played.db, SystemClock(), played.settings.locations)
    assert all(isinstance(skus, int) and skus > 0 for skus in loaded.values())
    assert count(played) == before


def test_a_warehouse_that_is_away_does_not_keep_the_others_from_being_loaded(played) -> None:
    first, *rest = played.settings.locations
    away = replace(first, endpoint="http://127.0.0.1:1/warehouse")
    settings = replace(played.settings, locations=(away, *rest))
    loaded = stock_up(settings, played.db, SystemClock(), settings.locations)
    assert isinstance(loaded[away.name], FulfilmentError)
    assert all(isinstance(loaded[location.name], int) for location in rest)
