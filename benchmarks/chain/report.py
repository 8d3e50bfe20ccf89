"""The figures of a contest: one JSON object for machines, tables for people."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.chain.contest import Plan, Round, median_cost, median_floor, typical
from benchmarks.chain.course import Course
from benchmarks.peers.course import CELERY, DRAMATIQ
from benchmarks.peers.course import figures as peer_figures


def figures(rounds: Sequence[Round], plan: Plan) -> dict[str, Any]:
    """Medians over the rounds, with the details of the round in the middle. Null is what was not measured."""
    middle = typical(rounds)
    engine_cpu_ms = round(median(one.engine_cpu_ms for one in rounds), 3)
    return {
        **_details(middle.course),
        "orders_per_minute": round(median(_per_minute(one.course) for one in rounds)),
        "sustained_orders_per_minute": round(median(one.course.sustained_per_minute for one in rounds)),
        "engine_cpu_ms": engine_cpu_ms,
        "floor_cpu_ms": median_floor(rounds),
        "cost_vs_dramatiq": median_cost(rounds, DRAMATIQ.name),
        "cost_vs_celery": median_cost(rounds, CELERY.name),
        "floor": middle.floor,
        "peers": {peer.name: peer_figures(peer, middle.peers[peer.name]) for peer in plan.peers},
        "rounds": [
            {
                "engine_cpu_ms": round(one.engine_cpu_ms, 3),
                "floor_cpu_ms": round(one.floor.cpu_ms, 3) if one.floor else None,
                **{name: round(course.engine_cpu_ms, 3) for name, course in one.peers.items()},
            }
            for one in rounds
        ],
        "settings": {
            **middle.course.settings,
            "rounds": len(rounds),
            "floor_orders": plan.floor_orders,
            "peer_orders": plan.peer_orders,
        },
    }


def _per_minute(course: Course) -> float:
    return float(course.outcome.summary()["orders_per_minute"])


def _details(course: Course) -> dict[str, Any]:
    """Everything of one run by order."""
    summary = course.outcome.summary()
    orders = summary["orders"]
    cpu_ms = {name: round(seconds * 1000 / orders, 3) for name, seconds in course.cpu_s.items()}
    subjects = sum(step.subjects for step in course.use.steps.values())
    batches = sum(step.bells - step.idle_bells for step in course.use.steps.values())
    return {
        "sandbox_cpu_ms": cpu_ms.get("sandbox", 0.0),
        "cpu_ms": cpu_ms,
        "cores_used": round(sum(course.cpu_s.values()) / course.outcome.seconds, 2),
        "tasks_per_second": round(subjects / course.outcome.seconds),
        "batch_fill": round(subjects / batches, 1) if batches else 0.0,
        # BEGIN and COMMIT are round trips too, but no statements.
        "statements": round(course.use.statements / orders, 2),
        "round_trips": round((course.use.statements + 2 * course.use.transactions) / orders, 2),
        "commits": round(course.commits / orders, 2),
        "wal_bytes": round(course.wal_bytes / orders),
        "redis_commands": round(sum(course.redis_commands.values()) / orders, 2),
        "http_calls": round(sum(course.http_calls.values()) / orders, 2),
        "pss_mb": dict(course.pss_mb),
        "pss_growth_mb": course.memory.growth_mb(),
        "restarts": course.restarts,
        "steps": _steps(course),
        "demo": summary,
    }


def print_report(rounds: Sequence[Round], plan: Plan, console: Console) -> None:
    """The same for people."""
    numbers = figures(rounds, plan)
    course = typical(rounds).course
    console.print(
        f"{numbers['orders_per_minute']:,} orders a minute from first to last, "
        f"{numbers['sustained_orders_per_minute']:,} between the ramps; {numbers['tasks_per_second']:,} tasks a second"
    )
    _print_costs(numbers, console)
    _print_rows(console, "CPU-milliseconds an order", {**numbers["cpu_ms"], "engine": numbers["engine_cpu_ms"]})
    counted = ("statements", "round_trips", "commits", "wal_bytes", "redis_commands", "http_calls")
    _print_rows(console, "For each order", {name: numbers[name] for name in counted})
    _print_rows(console, "HTTP calls", dict(course.http_calls))
    _print_steps(course, console)
    _print_rows(console, "Memory, PSS in MiB", numbers["pss_mb"])
    if numbers["pss_growth_mb"]:
        _print_rows(console, "Growth of it, MiB for each 100,000 orders", numbers["pss_growth_mb"])
    if course.activity:
        seen = sum(course.activity.values())
        shares = sorted(course.activity.items(), key=lambda item: -item[1])[:20]
        _print_rows(console, "Active backends, per cent of samples", {k: round(100 * v / seen, 1) for k, v in shares})
    _print_rows(console, "Settings", numbers["settings"])


def _print_costs(numbers: dict[str, Any], console: Console) -> None:
    """Workers, Postgres and Redis of everybody, and what is left of it above the floor."""
    floor = numbers["floor_cpu_ms"]
    if floor is None:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("CPU-ms an order", "all", "above the floor", "orders a minute"):
        table.add_column(name, justify="left" if name == "CPU-ms an order" else "right")
    table.add_row("floor", f"{floor:.2f}", "", "")
    table.add_row(
        "engine",
        f"{numbers['engine_cpu_ms']:.2f}",
        f"{numbers['engine_cpu_ms'] - floor:.2f}",
        f"{numbers['orders_per_minute']:,}",
    )
    for name, peer in numbers["peers"].items():
        cpu_ms = peer["engine_cpu_ms"]
        table.add_row(name, f"{cpu_ms:.2f}", f"{cpu_ms - floor:.2f}", f"{peer['orders_per_minute']:,}")
    console.print()
    console.print(table)
    costs = {"plain Dramatiq": numbers["cost_vs_dramatiq"], "plain Celery": numbers["cost_vs_celery"]}
    for name, cost in costs.items():
        if cost is not None:
            console.print(f"engine's cost over {name}'s, both less the floor: {cost}")


def _steps(course: Course) -> dict[str, dict[str, float]]:
    return {
        name: {
            "subjects": step.subjects,
            "batches": step.bells - step.idle_bells,
            "idle_bells": step.idle_bells,
            "wall_ms": round(step.wall_s * 1000 / max(step.subjects, 1), 3),
            "cpu_ms": round(step.cpu_s * 1000 / max(step.subjects, 1), 3),
        }
        for name, step in course.use.steps.items()
    }


def _print_steps(course: Course, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("step", "subjects", "batches", "fill", "idle bells", "wall ms each", "thread CPU ms each", "CPU s"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for name, step in sorted(course.use.steps.items(), key=lambda item: -item[1].cpu_s):
        batches = step.bells - step.idle_bells
        each = max(step.subjects, 1) / 1000
        table.add_row(
            name,
            f"{step.subjects:,}",
            f"{batches:,}",
            f"{step.subjects / max(batches, 1):.1f}",
            f"{step.idle_bells:,}",
            f"{step.wall_s / each:.2f}",
            f"{step.cpu_s / each:.3f}",
            f"{step.cpu_s:.2f}",
        )
    table.add_row("calls outside (loop)", "", "", "", "", "", "", f"{course.use.loop_cpu_s:.2f}")
    console.print("\n[bold]Steps")
    console.print(table)


def _print_rows(console: Console, title: str, rows: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, f"{value:,}" if isinstance(value, (int, float)) else str(value))
    console.print(f"\n[bold]{title}")
    console.print(table)
