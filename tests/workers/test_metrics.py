import re
import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.errors import Misconfigured
from infra.monitoring.cursor_age import CursorAge
from infra.monitoring.signals import Signal, Signals
from infra.tables.alarms import AlarmCount
from ops.views.gates import Gate
from ops.views.status import LetterCount, PoolStatus, Status
from workers.metrics import parse_address, serving

SIGNAL = Signal(
    group="label",
    lane="p0",
    depth=12,
    oldest_s=7.5,
    ship_by_s=-60.0,
    inflow_per_min=30.0,
    drain_per_min=20.0,
    inflow=900,
    drain=888,
)
GATE = Gate("account", "sf/main", "open", "sick", "engine", None, None, 3)
STATUS = Status(
    signals=Signals(2.0, (SIGNAL,)),
    is_measured=True,
    under_way={"label": 50},
    pools=(PoolStatus("main", 2, 1, 3),),
    holds={"address_vague": 4},
    letters=(LetterCount("label", "sf", "sick", 5),),
    gates=(GATE, GATE),
    breaches={"never_oversold": 1},
    gaps={},
    late={},
    cursors=(CursorAge("taobao/s1", None, 12.5, 930.0, None, False),),
    alarm_counts=(AlarmCount("feed_silent", "error", 2), AlarmCount("worker_died", "warning", 1)),
)


@pytest.fixture
def scrape():
    """What a scrape gets: samples by name and label values, in the order of the labels' names."""

    def scrape(look):
        with serving("127.0.0.1:0", look) as port:
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
        families = list(text_string_to_metric_families(text))
        samples = [sample for one in families for sample in one.samples]
        return {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in samples}

    return scrape


def test_everything_that_status_shows_can_be_scraped(scrape) -> None:
    assert scrape(lambda: STATUS) == {
        ("orderlane_up",): 1,
        ("orderlane_signals_age_seconds",): 2.0,
        ("orderlane_oldest_due_seconds",): 7.5,
        ("orderlane_depth", "label", "p0"): 12,
        ("orderlane_oldest_age_seconds", "label", "p0"): 7.5,
        ("orderlane_ship_by_seconds", "label", "p0"): -60.0,
        ("orderlane_inflow_per_minute", "label", "p0"): 30.0,
        ("orderlane_drain_per_minute", "label", "p0"): 20.0,
        ("orderlane_inflow_orders_total", "label", "p0"): 900,
        ("orderlane_drain_orders_total", "label", "p0"): 888,
        ("orderlane_workers", "main"): 2,
        ("orderlane_under_way", "label"): 50,
        ("orderlane_holds_open", "address_vague"): 4,
        ("orderlane_dead_letters_open", "sf", "sick", "label"): 5,
        ("orderlane_gates_shut", "account", "open"): 2,
        ("orderlane_cursor_age_seconds", "taobao/s1"): 12.5,
        ("orderlane_invariants_breached", "never_oversold"): 1,
        ("orderlane_alarms_open", "feed_silent", "error"): 2,
        ("orderlane_alarms_open", "worker_died", "warning"): 1,
    }


def test_a_look_that_fails_fails_no_scrape(scrape) -> None:
    def broken():
        raise OSError("away")

    assert scrape(broken) == {("orderlane_up",): 0}


def test_without_an_address_nothing_is_served() -> None:
    with serving("", lambda: STATUS) as port:
        assert port is None


def test_a_port_that_is_taken_stops_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with serving(address, lambda: STATUS) as port:
            assert port is None


def test_nobody_serves_after_the_end() -> None:
    with serving("127.0.0.1:0", lambda: STATUS) as port:
        pass
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(("address", "parts"), [("sweeper:9464", ("sweeper", 9464)), ("[::1]:1", ("::1", 1))])
def test_an_address_is_host_and_port(address, parts) -> None:
    assert parse_address(address) == parts


@pytest.mark.parametrize("address", ["9464", ":9464", "localhost", "localhost:http"])
def test_anything_else_is_misconfigured(address) -> None:
    with pytest.raises(Misconfigured, match=re.escape(repr(address))):
        parse_address(address)
