"""Pictures of a contest: orders and memory over time, where an order's CPU goes, and what the peers need."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import svg
from benchmarks.chain.contest import Round, typical
from workers.demo.run import Progress

# A look's own jitter is smoothed over about this long, or this share of a long run.
_SMOOTH_S, _SMOOTH_SHARE = 2.0, 0.04


def draw(rounds: Sequence[Round], folder: Path) -> None:
    """Write ``chain-*.svg`` of the round in the middle."""
    middle = typical(rounds)
    orders = middle.course.outcome.comparison.orders
    looks = middle.course.looks
    svg.save(
        folder,
        "chain-orders",
        svg.lines(
            f"{orders:,} orders through all steps",
            "seconds",
            "written back, orders a minute",
            {"orders a minute": per_minute(looks)},
        ),
    )
    if middle.course.memory.growth_mb():
        memory = svg.lines("Memory of a process", "orders written back", "PSS, MiB", middle.course.memory.samples)
        svg.save(folder, "chain-memory", memory)
    cpu_ms = {name: seconds * 1000 / orders for name, seconds in middle.course.cpu_s.items() if name != "supervisor"}
    rows = {
        "orderlane": {name: cpu_ms.get(name, 0.0) for name in ("workers", "sweeper", "postgres", "redis", "sandbox")}
    }
    if middle.floor is not None:
        floor = middle.floor
        client = floor.client_statements + floor.client_calls
        rows["floor"] = {"workers": client, "postgres": floor.postgres, "sandbox": floor.sandbox}
    svg.save(folder, "chain-cpu", svg.bars("CPU of an order", "CPU-milliseconds an order", rows))
    for name, peer in middle.peers.items():
        rows[name] = {group: peer.cpu_ms[group] for group in ("workers", "postgres", "redis", "sandbox")}
    if middle.peers:
        svg.save(folder, "chain-peers", svg.bars("CPU of an order, beside peers", "CPU-milliseconds an order", rows))


def per_minute(looks: Sequence[Progress]) -> list[tuple[float, float]]:
    """(second, orders a minute) between looks that are a smoothing apart, from the first look on."""
    points: list[tuple[float, float]] = []
    first, began_s = 0, looks[0].seconds if looks else 0.0
    smooth_s = max(_SMOOTH_S, _SMOOTH_SHARE * (looks[-1].seconds - began_s)) if looks else _SMOOTH_S
    for look in looks:
        while look.seconds - looks[first].seconds > smooth_s:
            first += 1
        span_s = look.seconds - looks[first].seconds
        if span_s > 0:
            points.append((look.seconds - began_s, (look.written_back - looks[first].written_back) / span_s * 60))
    return points
