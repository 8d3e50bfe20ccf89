"""The Lua scripts of one queue, as calls. The head of each script says what the script does."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from redis import Redis
from redis.exceptions import NoScriptError

from infra.queue.priority.refusals import ask
from infra.queue.priority.rules import QueueRules

NAMES = (
    "beat",
    "enqueue",
    "fetch",
    "flush",
    "known",
    "move",
    "rejected",
    "requeue",
    "settle",
    "start",
    "stats",
)
SHARED = ("queue", "mending")  # stand before them, the second only where it is needed: reading it takes time
MENDING = frozenset({"beat", "fetch", "flush"})
Value = TypeVar("Value")

CHUNK = 500  # messages a call: Lua's stack holds about 8,000 values
CHUNK_BYTES = 4_000_000  # of messages a call: Redis answers nobody else meanwhile


class QueueEntry(NamedTuple):
    """A message to enqueue. `delay_ms` of -1 is none."""

    message_id: str
    delay_ms: int
    envelope: bytes


class Settlement(NamedTuple):
    """The end of a delivery. An empty reason is done, any other rejects the message."""

    message_id: str
    token: str
    reason: str


class FetchRequest(NamedTuple):
    """What a fetch asks for: `room` messages of any of the lanes and `top_room` more of the first."""

    token: str
    room: int
    top_room: int
    lanes: Sequence[str]

    @property
    def arguments(self) -> tuple[str | int, ...]:
        return (self.token, self.room, self.top_room, *self.lanes, "")


class Fetched(NamedTuple):
    message_id: str
    envelope: bytes
    rank: int
    crashes: int


class Scripts:
    """Calls for one queue. All raise ConnectionClosed when Redis is away, answers late, or does nothing for now."""

    def __init__(self, client: Redis, namespace: str, queue: str, rules: QueueRules) -> None:
        self.prefix = f"{{{namespace}:{queue}}}"
        self._client = client
        self._rules = rules.encode()
        socket_timeout_s = client.connection_pool.connection_kwargs.get("socket_timeout")
        self._patience_s = float(socket_timeout_s) / 2 if socket_timeout_s else float("inf")
        self._scripts = {name: client.register_script(source(name)) for name in NAMES}

    def enqueue(self, producer: str, number: str, entries: Sequence[QueueEntry]) -> list[str]:
        """One batch of entries. Returns ids of messages rejected as too large."""
        values = (value for entry in entries for value in entry)
        return _texts(self._call("enqueue", producer, number, *values))

    def fetch(self, wanted: FetchRequest, settlements: Iterable[Settlement]) -> tuple[int, list[Fetched]]:
        """Return milliseconds until the next delayed message, or -1, and the leased messages."""
        return _read_fetched(self._call("fetch", *wanted.arguments, *_grouped(settlements)))

    def fetch_when_rung(self, wanted: FetchRequest, timeout_s: float) -> tuple[int, list[Fetched]]:
        """Wait for the bell of one of the lanes and fetch, or fetch after the time-out.

        Both are sent at once: Redis goes on to the fetch as soon as the bell rings, which spares a round trip.
        """
        try:
            return ask(self._client, lambda: self._listen(wanted, min(timeout_s, self._patience_s)))
        except NoScriptError:  # Redis has restarted
            return self.fetch(wanted, ())

    def settle(self, settlements: Iterable[Settlement]) -> int:
        return int(self._call("settle", *_grouped(settlements)))

    def beat(self, owner: str, held: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """`held` are ids and tokens. Returns the pairs that are no longer held."""
        pairs = list(held)
        lost: set[tuple[str, str]] = set()
        for chunk in chunks(pairs) if pairs else [pairs]:
            is_last = chunk[-1:] == pairs[-1:]
            answer = iter(_texts(self._call("beat", owner, int(is_last), *(value for pair in chunk for value in pair))))
            lost |= set(zip(answer, answer, strict=True))
        return lost

    def requeue(self, held: Iterable[tuple[str, str]]) -> None:
        for chunk in chunks(list(held)):
            self._call("requeue", *(value for pair in chunk for value in pair))

    def start(self, message_id: str, token: str) -> None:
        self._call("start", message_id, token)

    def known(self, ids: Sequence[str]) -> set[str]:
        return {found for chunk in chunks(ids) for found in _texts(self._call("known", *chunk))}

    def move(self, ids: Sequence[str], lane: str) -> int:
        return self._in_pieces("move", lane, ids)

    def stats(self, lanes: Sequence[str]) -> list[int]:
        return [int(value) for value in self._call("stats", *lanes)]

    def flush(self, lanes: Sequence[str] = ()) -> int:
        """Return how many messages were dropped. The lanes are needed only where their counters were lost."""
        dropped, is_unfinished = self._call("flush", "all", *lanes)
        while is_unfinished:
            _, is_unfinished = self._call("flush", "rest")
        return int(dropped)

    def rejected(self, command: str, *args: str | int) -> Any:  # noqa: ANN401 - each command has its own answer
        return self._call("rejected", command, *args)

    def change_rejected(self, command: str, ids: Sequence[str]) -> int:
        """`command` is redrive or discard. Returns how many there were."""
        return self._in_pieces("rejected", command, ids)

    def size(self) -> int:
        """Messages that wait, are delayed or are in flight."""
        return ask(self._client, lambda: int(self._client.hlen(f"{self.prefix}:messages")))

    def _listen(self, wanted: FetchRequest, timeout_s: float) -> tuple[int, list[Fetched]]:
        bells = [f"{self.prefix}:bell:{lane}" for lane in wanted.lanes]
        with self._client.pipeline(transaction=False) as pipe:
            pipe.blpop(bells, timeout=timeout_s)
            pipe.evalsha(self._scripts["fetch"].sha, 1, self.prefix, self._rules, *wanted.arguments)
            return _read_fetched(pipe.execute()[1])

    def _in_pieces(self, name: str, command: str, ids: Sequence[str]) -> int:
        """Call until all ids were looked at: a call may stop early. Returns how many were changed."""
        changed = first = 0
        while first < len(ids):
            count, looked_at = self._call(name, command, *ids[first : first + CHUNK])
            changed += int(count)
            first += int(looked_at)
        return changed

    def _call(self, name: str, *args: str | bytes | int) -> Any:  # noqa: ANN401 - each script has its own answer
        return ask(self._client, lambda: self._scripts[name](keys=[self.prefix], args=[self._rules, *args]))


@cache
def source(name: str) -> str:
    """The text of a script with the parts that it needs before it."""
    folder = files("infra.queue.priority") / "lua"
    parts = (*(SHARED if name in MENDING else SHARED[:1]), name)
    return "".join((folder / f"{part}.lua").read_text() for part in parts)


def chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """The values in pieces that one call may carry."""
    return (values[first : first + CHUNK] for first in range(0, len(values), CHUNK))


def batches(entries: Sequence[QueueEntry]) -> Iterator[Sequence[QueueEntry]]:
    """What goes into one call each: up to CHUNK entries of CHUNK_BYTES together, but at least one."""
    first = size = 0
    for number, entry in enumerate(entries):
        size += len(entry.envelope)
        if number > first and (size > CHUNK_BYTES or number - first == CHUNK):
            yield entries[first:number]
            first, size = number, len(entry.envelope)
    if entries:
        yield entries[first:]


def _read_fetched(reply: Any) -> tuple[int, list[Fetched]]:  # noqa: ANN401 - as it comes from Redis
    rows = zip(*[iter(reply[1:])] * 4, strict=True)
    return reply[0], [Fetched(str(row[0], "utf-8"), *row[1:]) for row in rows]


def _grouped(settlements: Iterable[Settlement]) -> Iterator[str | int]:
    """Neighbours of one fetch mostly end alike and together: their token and reason are said once."""
    for (token, reason), group in groupby(settlements, key=attrgetter("token", "reason")):
        ids = [settlement.message_id for settlement in group]
        yield from (token, reason, len(ids), *ids)


def _texts(values: Iterable[bytes]) -> list[str]:
    return [str(value, "utf-8") for value in values]
