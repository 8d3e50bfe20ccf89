"""Other processes of the same merchant, started with other settings."""

import msgspec

from tests.actors.conftest import Merchant
from workers.guards import watching
from workers.wiring import make_runners


def process_with(merchant, mode, **shop):
    """Another process of the same merchant, started with other settings, and the outside world as it is."""
    [known] = merchant.settings.shops
    settings = msgspec.structs.replace(merchant.settings, shops=(msgspec.structs.replace(known, mode=mode, **shop),))
    other = Merchant(
        merchant.db,
        merchant.event_loop,
        settings,
        merchant.platform,
        merchant.courier,
        merchant.notifier,
        merchant.warehouse,
    )
    other.tools = watching(other.tools)
    other.runners = make_runners(other.tools, other.event_loop, 1_000_001)
    return other
