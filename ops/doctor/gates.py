"""Gates that are shut: since when, why, by whom, and what waits behind them."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from domain.errors import Transient
from domain.gates import ENGINE
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import Settings
from infra.process.clock import Clock
from infra.tables.pool import Database
from ops.doctor.check import Check, ok, warn
from ops.faces.terminal.gates import gate_in_words
from ops.faces.terminal.layout import china_time
from ops.views import gates as gate_views
from ops.views.gates import Gate

_RECOVERING = "recovering"
# The code for a signature that platforms and couriers refuse because of its time.
_WRONG_TIME = "timestamp_invalid"


def shut(db: Database, redis_url: str, settings: Settings, clock: Clock) -> Iterator[Check]:
    """One line for each gate that is shut. With Redis away only pauses are known."""
    with closing(connect_gates(redis_url)) as client:
        try:
            found: Sequence[Gate] = gate_views.gates(db, SharedGates(client), settings, clock)
        except Transient:
            found = gate_views.paused_gates(db, settings)
    closed = [gate for gate in found if gate.why != _RECOVERING]
    if not closed:
        yield ok("gates", "none is shut")
    for gate in closed:
        yield warn(f"gate {gate.kind} {gate.name}", _in_words(gate), _advice(gate))


def _in_words(gate: Gate) -> str:
    since = f" since {china_time(gate.since)}" if gate.since else ""
    until = f" until {china_time(gate.until)}" if gate.until else ""
    times = f"{since}{until} (UTC+8)" if since or until else ""
    return f"{gate.why}{times} by {gate.shut_by}: {gate_in_words(gate)}; {gate.resting} pieces of work wait"


def _advice(gate: Gate) -> str:
    if gate.why != "paused":
        return "nothing: it is tried again by itself"
    resume = f"`orderlane resume {gate.kind} {gate.name} --reason R`"
    if gate.shut_by != ENGINE:
        return f"{resume} when it may go on"
    wrong = "the clock of every machine with workers" if gate.reason == _WRONG_TIME else "its credentials"
    return f"put {wrong} right, then {resume}"
