import pytest

from sandbox.signatures import webhook_signature

BODY = b'{"type":"package.shipped","data":{"order":"1"}}'


@pytest.fixture
def headers(secrets, now):
    def make(message_id="evt-1", body=BODY, at=now):
        stamp = str(int(at))
        return {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": webhook_signature(message_id, stamp, body, secrets.webhook_secret),
        }

    return make


def test_a_message_is_told_once_and_a_repetition_counted(world, headers, now):
    assert [world.receiver.take(headers(), BODY, now) for _ in range(3)] == [200, 200, 200]
    assert list(world.ledger.told) == ["evt-1"]
    assert world.ledger.told["evt-1"].content == {"type": "package.shipped", "data": {"order": "1"}}
    assert world.ledger.told_again == 2


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "evt-2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "now"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
    ],
)
def test_unsigned_messages_are_refused(world, headers, now, change):
    assert world.receiver.take(headers() | change, BODY, now) == 401
    assert not world.ledger.told


def test_a_changed_body_is_refused(world, headers, now):
    assert world.receiver.take(headers(), BODY + b" ", now) == 401


@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (301, 401), (-301, 401)])
def test_five_minutes_of_clock(world, headers, now, seconds, status):
    assert world.receiver.take(headers(at=now + seconds), BODY, now) == status


def test_one_good_signature_of_several_is_enough(world, headers, now):
    rotated = headers()
    rotated["webhook-signature"] = "v1,AAAA " + rotated["webhook-signature"]
    assert world.receiver.take(rotated, BODY, now) == 200


def test_a_signed_message_that_is_no_json(world, headers, now):
    assert world.receiver.take(headers(body=b"{"), b"{", now) == 400
