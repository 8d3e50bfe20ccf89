"""What buyers, platforms and people want of orders that are on their way, drawn from a seed, and how it is carried out.

Each wish waits until its order has come to a drawn place, and a drawn moment more.
"""

import contextlib
import random
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from heapq import heapify, heappop, heappush

import psycopg

from domain.errors import FulfilmentError
from drills.queries import DRILLS
from infra.engine.author import Author
from infra.process.steps import STEPS
from infra.tables.pool import Database
from infra.telemetry.log import get_logger
from ops.verbs.correct_address import correct_address
from ops.verbs.stop_orders import confirm_here, relabel, stop, take_back
from workers.demo.run import RunningDemo
from workers.demo.stage import Stage

log = get_logger(__name__)

LI = Author("li", "the buyer called")
_LOOK_EVERY_S = 0.2
# So long nothing may be left to do before a run is at rest.
_REST_S = 1.5
# Without a move for so long, an order never comes to the place where its wish waits.
_NEVER_S = 6.0
_NEW_RECEIVER = {"name": "李新址", "mobile": "13900000018", "detail": "和平路18号3单元502室"}
_NEW_ADDRESS = {"name": "王改址", "phone": "13700000018", "detail": "建设大道77号2单元901室"}
# The platform dates changes in whole seconds.
_SECOND = 1.0


class Place(IntEnum):
    """How far an order has come, as the query `ways` counts it."""

    STORED = 0
    APPROVED = 1
    ALLOCATED = 2
    LABEL_INTENDED = 3
    LABEL_BOOKED = 4
    PLACED = 5
    PACKED = 6
    HANDED_OVER = 7
    IN_TRANSIT = 8
    DELIVERED = 9


class Kind(StrEnum):
    """`REFUND_ASKED`: nobody answers it. `STOP_TAKEN_BACK`, `REFUND_WITHDRAWN`: a moment later."""

    REFUND_ASKED = "refund asked"
    REFUND_PAID = "refund asked and paid"
    REFUND_WITHDRAWN = "refund asked and withdrawn"
    CLOSED = "trade closed"
    ADDRESS_CHANGED = "address changed at the platform"
    STOP = "order stop"
    STOP_TAKEN_BACK = "order stop, then withdrawn"
    RELABEL = "order relabel"
    CORRECT_ADDRESS = "order correct-address"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of the order with the platform's id `tid`, once it is at `place`, and `wait_s` more.

    `line`: of this line alone; empty: of all. `pause_s`: until the second part of a wish that has two.
    """

    tid: str
    kind: Kind
    place: Place
    wait_s: float
    pause_s: float
    line: str = ""


def draw_wishes(seed: int, orders: Sequence[tuple[str, Sequence[str]]], share: float) -> list[Wish]:
    """Wishes of so many orders, each kind and place equally often. `orders`: their ids, with those of their lines."""
    draw = random.Random(f"{seed}/wishes")  # noqa: S311 - repeatable, not secret
    chosen = draw.sample(sorted(orders), round(share * len(orders)))
    pairs = [(kind, place) for kind in Kind for place in Place]
    turns: list[tuple[Kind, Place]] = []
    while len(turns) < len(chosen):
        turns += draw.sample(pairs, len(pairs))
    wishes = []
    for (tid, lines), (kind, place) in zip(chosen, turns, strict=False):
        is_of_line = kind in _OF_LINES and len(lines) > 1 and draw.random() < 1 / 2
        line = draw.choice(lines) if is_of_line else ""
        wishes.append(Wish(tid, kind, place, draw.uniform(0.0, 1.0), draw.uniform(0.0, 4.0), line))
    return wishes


_OF_LINES = frozenset({Kind.REFUND_ASKED, Kind.REFUND_PAID, Kind.REFUND_WITHDRAWN, Kind.STOP})


@dataclass(slots=True)
class Wishing:
    """Carries out wishes beside a run, and does what people have to do for stops.

    `done`: by what became of it. `left`: whose place their orders have not reached. `is_busy`: something is to come, or
    the house works on what has come. `corrected`: orders whose address a person has corrected. `changed_at`: when (unix
    seconds) the address of an order changed at the platform.
    """

    stage: Stage
    db: Database
    left: list[Wish]
    done: Counter[str] = field(default_factory=Counter)
    is_busy: bool = True
    corrected: set[str] = field(default_factory=set)
    changed_at: dict[str, float] = field(default_factory=dict)
    _settled: set[int] = field(default_factory=set)
    _due: list[tuple[float, int, Wish, bool]] = field(default_factory=list)
    _ids: dict[str, int] = field(default_factory=dict)
    _told_at: float = 0.0
    _rest_since: float | None = None
    _ways: dict[str, int] = field(default_factory=dict)
    _moved_at: float = field(default_factory=time.monotonic)

    @property
    def moves(self) -> int:
        """Grows with everything that was wanted."""
        return self.done.total()

    def work(self) -> None:
        """One look: wishes whose moment has come, the duties of people, and whether everything is at rest."""
        now = time.monotonic()
        self._look_for_places(now)
        while self._due and self._due[0][0] <= now:
            _, _, wish, is_second = heappop(self._due)
            self._fulfil(wish, now, is_second=is_second)
        self._confirm_goods()
        self._close_stopped()
        self._see_rest(now)

    def _look_for_places(self, now: float) -> None:
        if not self.left:
            return
        with self.db.connection() as session:
            rows = session.execute(DRILLS["ways"], {"tids": [one.tid for one in self.left]}).fetchall()
        ways = {tid: place for tid, _, place in rows}
        self._ids |= {tid: id_ for tid, id_, _ in rows}
        if ways != self._ways:
            self._ways, self._moved_at = ways, now
        is_stuck = now - self._moved_at > _NEVER_S
        here = [one for one in self.left if one.tid in ways and (is_stuck or ways[one.tid] >= one.place)]
        self.left = [one for one in self.left if one not in here]
        for one in here:
            heappush(self._due, (now + one.wait_s, len(self._ids) + len(self._due), one, False))

    def _fulfil(self, wish: Wish, now: float, *, is_second: bool) -> None:
        try:
            again = self._second(wish) if is_second else self._first(wish)
        except (FulfilmentError, urllib.error.HTTPError) as error:
            why = error.code if isinstance(error, FulfilmentError) else "the platform refuses"
            self.done[f"{wish.kind}: {why}"] += 1
            return
        except BaseException:
            # A store is away: the wish is not given up.
            heappush(self._due, (now, 0, wish, is_second))
            heapify(self._due)
            raise
        self.done[wish.kind] += not is_second
        if again:
            heappush(self._due, (now + wish.pause_s, len(self._due), wish, True))

    def _first(self, wish: Wish) -> bool:
        """Carry out the first part; whether there is a second one."""
        order_id, lines = self._ids[wish.tid], [wish.line] if wish.line else []
        match wish.kind:
            case Kind.REFUND_ASKED | Kind.REFUND_PAID | Kind.REFUND_WITHDRAWN:
                self._pull("ask_refund", tid=wish.tid, lines=lines)
            case Kind.CLOSED:
                self._pull("close_order", tid=wish.tid)
            case Kind.ADDRESS_CHANGED:
                self.changed_at[wish.tid] = time.time()
                receiver = {
                    "name": "李新址",
                    "mobile": f"139{int(wish.tid) % 10**8:08d}",
                    "detail": "和平路18号3单元502室",
                }
                self._pull("change_order", tid=wish.tid, receiver=receiver)
            case Kind.STOP | Kind.STOP_TAKEN_BACK:
                stop(self.db, order_id, LI, lines)
            case Kind.RELABEL:
                relabel(self.db, order_id, LI)
            case Kind.CORRECT_ADDRESS:
                correct_address(self.db, order_id, _NEW_ADDRESS, LI)
                self.corrected.add(wish.tid)
        return wish.kind in {Kind.REFUND_PAID, Kind.REFUND_WITHDRAWN, Kind.STOP_TAKEN_BACK}

    def _second(self, wish: Wish) -> bool:
        lines = [wish.line] if wish.line else []
        match wish.kind:
            case Kind.REFUND_PAID:
                self._pull("pay_refund", tid=wish.tid, lines=lines)
            case Kind.REFUND_WITHDRAWN:
                self._pull("withdraw_refund", tid=wish.tid, lines=lines)
            case _:
                take_back(self.db, self._ids[wish.tid], LI)
        return False

    def _pull(self, lever: str, **fields: object) -> None:
        self.stage.pull(lever, **fields)
        self._told_at = time.time()

    def _confirm_goods(self) -> None:
        """At locations without a system people find the goods of stopped orders, and say that they stay."""
        with self.db.connection() as session:
            waiting = session.execute(DRILLS["stops_to_confirm"]).fetchall()
        for (order_id,) in waiting:
            try:
                confirm_here(self.db, order_id, LI)
            except FulfilmentError as error:
                self.done[f"goods found: {error.code}"] += 1
            else:
                self.done["goods found"] += 1

    def _close_stopped(self) -> None:
        """What a person has stopped, the seller takes back at the platform: it waits for the goods otherwise."""
        with self.db.connection() as session:
            stopped = session.execute(DRILLS["stopped_by_persons"]).fetchall()
        for stop_id, tid, lines in stopped:
            if stop_id not in self._settled:
                with contextlib.suppress(urllib.error.HTTPError):
                    # The buyer may have closed it before.
                    self._pull("close_lines", tid=tid, lines=lines)
                self._settled.add(stop_id)

    def _see_rest(self, now: float) -> None:
        is_at_rest = not self.left and not self._due and self._is_house_at_rest()
        self._rest_since = (self._rest_since or now) if is_at_rest else None
        self.is_busy = self._rest_since is None or now - self._rest_since < _REST_S

    def _is_house_at_rest(self) -> bool:
        """Whether all that was told has been read, every stop has ended, and nothing is due because of them."""
        with self.db.connection() as session:
            row = session.execute(DRILLS["unrest"], {"endless": list(STEPS.endless())}).fetchone()
        assert row is not None
        open_stops, due, read_upto, cases_upto = row
        return not open_stops and not due and min(read_upto, cases_upto) > self._told_at + _SECOND


@contextmanager
def wishing(demo: RunningDemo, wishes: Sequence[Wish]) -> Iterator[Wishing]:
    """Let the wishes come beside the run."""
    with Database(demo.supervisor.environment["ORDERLANE_DATABASE_URL"], 2) as db:
        one, stopped = Wishing(demo.stage, db, list(wishes)), threading.Event()

        def work() -> None:
            while not stopped.wait(_LOOK_EVERY_S):
                try:
                    one.work()
                except (psycopg.OperationalError, OSError) as error:
                    # A store may be away for a moment: whoever wants something tries again.
                    log.info("wishes_kept_waiting", error=str(error))

        thread = threading.Thread(target=work, name="wishes")
        thread.start()
        try:
            yield one
        finally:
            stopped.set()
            thread.join()
