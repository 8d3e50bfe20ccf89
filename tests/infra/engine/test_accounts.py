import pytest

from infra.config.settings import Location, Sender, Settings, Shop
from infra.engine.accounts import ensure_accounts


@pytest.fixture
def settings():
    sender = Sender(contact="c", phone="p", province="浙江省", city="杭州市", district="", detail="d")
    return Settings(
        shops=(Shop(name="s1", platform="taobao", endpoint="http://localhost", credentials={}),),
        locations=(Location(name="east", endpoint="http://localhost", sender=sender, credentials={}),),
    )


def test_configured_accounts_become_due_once(house, settings):
    for _ in range(2):
        with house.db.transaction() as tx:
            ensure_accounts(tx, settings)
    assert house.rows("SELECT step, account, lane FROM work ORDER BY step") == [
        ("pull", "taobao/s1", "p1"),
        ("warehouse", "warehouse/east", "p1"),
    ]


def test_what_is_known_keeps_its_cursor(house, settings):
    house.rows("INSERT INTO shop (account, cursor_at) VALUES ('taobao/s1', '2026-01-01Z')")
    with house.db.transaction() as tx:
        ensure_accounts(tx, settings)
    assert house.one("SELECT cursor_at IS NOT NULL FROM shop") is True
