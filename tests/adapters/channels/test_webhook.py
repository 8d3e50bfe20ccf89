import base64
from datetime import UTC, datetime

import msgspec
import pytest

from adapters.channels import webhook
from adapters.ports import Notice
from domain.errors import Misconfigured
from infra.config.secret import Secret
from infra.config.settings import Channel
from sandbox.signatures import webhook_signature

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_the_specification_s_example():
    key = webhook.read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = webhook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}', key)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "whsec_", "MfKQ9r8G", "whsec_not base64", "whsec_%%%%"])
def test_other_secrets_are_refused(secret):
    with pytest.raises(Misconfigured):
        webhook.read_secret(secret)


def test_a_delivery():
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    channel = Channel(name="erp", kind="webhook", endpoint="http://h/x", credentials={"secret": Secret(secret)})
    notice = Notice("evt-1", "package.shipped", NOW, {"waybill": "SF1"})

    request = webhook.build(channel, notice, NOW)

    assert msgspec.json.decode(request.body) == {
        "type": "package.shipped",
        "timestamp": "2026-11-22T02:00:00+00:00",
        "data": {"waybill": "SF1"},
    }
    headers = request.headers
    assert headers["webhook-signature"] == webhook_signature(
        "evt-1", headers["webhook-timestamp"], request.body, secret
    )
    assert (headers["webhook-id"], request.is_idempotent, request.hides_path) == ("evt-1", True, True)
