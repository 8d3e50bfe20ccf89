import msgspec
import pytest

from domain.take_over import Mode
from infra.config.settings import Settings, Shop
from infra.engine.accounts import ensure_accounts
from infra.process.clock import SystemClock
from ops.doctor import take_over
from ops.doctor.check import Level

MAIN = Shop(name="main", platform="taobao", endpoint="", credentials={}, mode=Mode.WATCH)


@pytest.fixture
def look(database):
    def examine(shop):
        with database.connection() as session:
            checks = take_over.all_checks(session, Settings(shops=(shop,)), SystemClock())
            return {check.name: check for check in checks}

    return examine


@pytest.fixture
def serve(database):
    def start(shop):
        with database.transaction() as tx:
            ensure_accounts(tx, Settings(shops=(shop,)))

    return start


def test_a_new_shop_that_does_not_say_which_orders_are_ours_fails(look) -> None:
    check = look(MAIN)["take over"]
    assert check.level is Level.FAIL
    assert "take_over_from = 20" in check.message


def test_a_watched_shop_is_named_with_what_it_would_have_done(look, serve) -> None:
    serve(MAIN)
    assert "in watch mode since" in look(MAIN)["taobao/main"].message
    assert look(MAIN)["taobao/main"].level is Level.OK


def test_settings_that_no_process_has_read_yet_are_said(look, serve) -> None:
    live = msgspec.structs.replace(MAIN, mode=Mode.LIVE)
    serve(live)
    assert look(MAIN)["taobao/main"].level is Level.WARN
    serve(MAIN)
    assert look(live)["taobao/main"].level is Level.WARN
    assert "taobao/main" not in look(msgspec.structs.replace(live, name="other"))
