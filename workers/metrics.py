"""``/metrics`` for Prometheus, from the same look that ``orderlane status`` shows.

No label carries personal data, and every label has few values: groups, lanes, pools, steps, codes, shops.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.errors import Misconfigured
from infra.monitoring.signals import Signal
from infra.telemetry.log import get_logger
from ops.views.status import Status
from workers.metrics_server import MetricsServer

PREFIX = "orderlane_"

log = get_logger(__name__)


class StatusCollector(Collector):
    """Reads the status at each scrape. If reading fails, only ``orderlane_up 0`` is served, so that a scrape never
    fails.
    """

    def __init__(self, look: Callable[[], Status]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        try:
            now = self._look()
        except Exception as error:  # noqa: BLE001 - whatever it is, who watches must hear of it
            log.warning("metrics_unread", error=type(error).__name__)
            yield _gauge("up", "whether the house could be looked at", {(): 0})
            return
        yield _gauge("up", "whether the house could be looked at", {(): 1})
        yield from _of_signals(now)
        yield from _of_status(now)


def _of_signals(now: Status) -> Iterator[Metric]:
    lanes = now.signals.lanes
    if now.signals.age_s is not None:
        yield _gauge("signals_age_seconds", "since the last measurement", {(): now.signals.age_s})
    yield _gauge("oldest_due_seconds", "how long the oldest due work has waited for a worker", {(): now.oldest_s})
    yield _by_lane("depth", "due work, counted up to a bound", lanes, lambda one: one.depth)
    yield _by_lane("oldest_age_seconds", "how long the oldest has been due", lanes, lambda one: one.oldest_s)
    yield _by_lane(
        "ship_by_seconds", "until the first ship-by among the first in line", lanes, lambda one: one.ship_by_s
    )
    yield _by_lane("inflow_per_minute", "orders that come in a minute", lanes, lambda one: one.inflow_per_min)
    yield _by_lane("drain_per_minute", "orders that go on a minute", lanes, lambda one: one.drain_per_min)
    yield _counter("inflow_orders", "orders that ever came in", {(one.group, one.lane): one.inflow for one in lanes})
    yield _counter("drain_orders", "orders that ever went on", {(one.group, one.lane): one.drain for one in lanes})


def _of_status(now: Status) -> Iterator[Metric]:
    yield _gauge("workers", "living worker processes", {(pool.name,): pool.processes for pool in now.pools}, "pool")
    yield _gauge("under_way", "work in hand", {(step,): count for step, count in now.under_way.items()}, "step")
    yield _gauge("holds_open", "open holds", {(code,): count for code, count in now.holds.items()}, "code")
    yield _gauge(
        "dead_letters_open",
        "open dead letters",
        {(one.step, one.adapter, one.code): one.letters for one in now.letters},
        *("step", "adapter", "code"),
    )
    if now.gates is not None:
        shut = [(gate.kind, gate.why) for gate in now.gates]
        yield _gauge("gates_shut", "gates not open", {key: shut.count(key) for key in shut}, "kind", "why")
    yield _gauge(
        "cursor_age_seconds",
        "how long ago the changes of a shop are stored up to",
        {(one.account,): one.age_s for one in now.cursors},
        "shop",
    )
    yield _gauge(
        "alarms_open",
        "open alarms",
        {(one.kind, one.severity): one.alarms for one in now.alarm_counts},
        *("kind", "severity"),
    )
    yield _gauge(
        "invariants_breached",
        "examples that the last check found",
        {(name,): examples for name, examples in now.breaches.items()},
        "invariant",
    )


def _gauge(name: str, meaning: str, values: Mapping[tuple[str, ...], float], *labels: str) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
    for key, value in values.items():
        gauge.add_metric(key, value)
    return gauge


def _counter(name: str, meaning: str, values: Mapping[tuple[str, str], int]) -> CounterMetricFamily:
    counter = CounterMetricFamily(PREFIX + name, meaning, labels=("group", "lane"))
    for key, value in values.items():
        counter.add_metric(key, value)
    return counter


def _by_lane(
    name: str, meaning: str, lanes: Iterable[Signal], of: Callable[[Signal], float | None]
) -> GaugeMetricFamily:
    values = {(one.group, one.lane): of(one) for one in lanes}
    return _gauge(name, meaning, {key: value for key, value in values.items() if value is not None}, "group", "lane")


def parse_address(address: str) -> tuple[str, int]:
    """Host and port. Raises Misconfigured ``metrics_address_invalid``."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise Misconfigured("metrics_address_invalid", f"metrics.address is host:port, not {address!r}")
    return host.strip("[]"), int(port)


@contextmanager
def serving(address: str, look: Callable[[], Status]) -> Iterator[int | None]:
    """Serve until the block ends; the port. Without an address, or where it is taken, nothing is served."""
    if not address:
        yield None
        return
    host, port = parse_address(address)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatusCollector(look))
    try:
        server = MetricsServer(host, port)
    except OSError as error:
        log.warning("metrics_not_served", host=host, port=port, error=type(error).__name__)
        yield None
        return
    server.set_app(make_wsgi_app(registry))
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    log.info("metrics_served", host=host, port=server.server_port)
    try:
        yield server.server_port
    finally:
        _stop(server, thread)


def _stop(server: MetricsServer, thread: Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join()
