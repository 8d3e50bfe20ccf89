from datetime import UTC, datetime

import msgspec
import pytest

from domain.errors import Misconfigured
from domain.take_over import Mode
from infra.config.settings import Location, Sender, Settings, Shop
from infra.engine.accounts import ensure_accounts, refuse_undecided


@pytest.fixture
def settings():
    sender = Sender(contact="c", phone="p", province="浙江省", city="杭州市", district="", detail="d")
    return Settings(
        shops=(Shop(name="s1", platform="taobao", endpoint="http://localhost", credentials={}),),
        locations=(Location(name="east", endpoint="http://localhost", sender=sender, credentials={}),),
    )


def test_configured_accounts_become_due_once(harness, settings):
    for _ in range(2):
        with harness.db.transaction() as tx:
            ensure_accounts(tx, settings)
    assert harness.rows("SELECT step, account, lane FROM work ORDER BY step") == [
        ("pull", "taobao/s1", "p1"),
        ("pull_cases", "taobao/s1", "p1"),
        ("warehouse", "warehouse/east", "p1"),
    ]


def test_what_is_known_keeps_its_cursor(harness, settings):
    harness.rows("INSERT INTO shop (account, cursor_at) VALUES ('taobao/s1', '2026-01-01Z')")
    with harness.db.transaction() as tx:
        ensure_accounts(tx, settings)
    assert harness.one("SELECT cursor_at IS NOT NULL FROM shop") is True


NOW = datetime(2026, 12, 1, tzinfo=UTC)
STORE = """INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
VALUES ('taobao', 's1', '1', '1', 'pull', 'p1', '1')"""


def undecided(harness, settings):
    with harness.db.transaction() as tx:
        refuse_undecided(tx, settings, NOW)


def with_shop(settings, **how):
    [shop] = settings.shops
    return msgspec.structs.replace(settings, shops=(msgspec.structs.replace(shop, **how),))


def test_a_new_shop_must_say_from_when_its_orders_are_ours(harness, settings):
    with pytest.raises(Misconfigured) as caught:
        undecided(harness, settings)
    assert caught.value.code == "take_over_missing"
    assert caught.value.message.endswith("take_over_from = 2026-12-01T08:00:00+08:00")
    named = msgspec.toml.decode(caught.value.message.rpartition(": ")[2])
    undecided(harness, with_shop(settings, **named))


def test_a_shop_with_stored_orders_goes_on_without_it(harness, settings):
    harness.rows(STORE)
    undecided(harness, settings)


def test_an_instant_that_was_named_once_is_known(harness, settings):
    with harness.db.transaction() as tx:
        ensure_accounts(tx, with_shop(settings, take_over_from=NOW))
    undecided(harness, settings)


def test_the_switches_of_a_shop_are_dated_and_a_restart_changes_nothing(harness, settings):
    def serve(**how):
        with harness.db.transaction() as tx:
            ensure_accounts(tx, with_shop(settings, **how))
        [row] = harness.rows(
            "SELECT mode, watched_since, live_since, kept_before, take_over_from, xmin::text FROM shop"
        )
        return row

    mode, watched_since, live_since, kept_before, *_ = serve(take_over_from=NOW)
    assert (mode, watched_since, live_since, kept_before) == ("live", None, None, NOW)
    mode, watched_since, live_since, *rest = serve(mode=Mode.WATCH)
    assert (mode, live_since, watched_since is None) == ("watch", None, False)
    assert serve(mode=Mode.WATCH)[-1] == rest[-1]
    mode, since, live_since, kept_before, *_ = serve(take_over_from=datetime(2020, 1, 1, tzinfo=UTC))
    assert (mode, since, kept_before) == ("live", watched_since, live_since)
    *_, kept_before, _, _ = serve(take_over_from=datetime(2098, 1, 1, tzinfo=UTC))
    assert kept_before == datetime(2098, 1, 1, tzinfo=UTC)
