"""A twin of the scripts in Python: the same rules, written down a second time without Redis."""

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from infra.queue.priority import QueueRules
from infra.queue.priority.delivery import QueuePosition

LANES = ("p0", "p1", "bulk")
RULES = QueueRules(
    lease_ms=900,
    share=4,
    quantum=5,
    max_crashes=2,
    max_bytes=60,
    rejected_max=3,
    rejected_max_bytes=150,
    unknown_actor_grace_ms=700,
    unknown_actor_retry_ms=90,
)
NEVER = float("inf")


@dataclass
class Message:
    where: QueuePosition
    encoded: bytes
    redelivered: int = 0
    owners: list[str] = field(default_factory=list)
    started: str = ""
    unknown_since: int | None = None
    moved_to: str = ""  # while it ran, or after it came back

    @property
    def envelope(self) -> bytes:
        return self.where.envelope(self.encoded)


class Lane:
    def __init__(self) -> None:
        self.turns: dict[str, tuple[int, int]] = {}  # fair keys by their next turn: its round and place
        self.round = self.place = 0
        self.balance: dict[str, int] = {}
        self.lines: dict[str, list[tuple[int, str]]] = {}  # positions and ids
        self.inflow = Counter()

    def join(self, fair_key: str) -> None:
        self.place += 1
        self.turns[fair_key] = (self.round + 1, self.place)
        self.balance[fair_key] = RULES.quantum

    def begin_turn(self) -> str:
        fair_key = min(self.turns, key=lambda one: (self.turns[one], one))
        number = self.turns[fair_key][0]
        if number > self.round:
            self.round, self.place = number, 0
        return fair_key

    def end_turn(self, fair_key: str) -> None:
        """Pass as many rounds as its debts take."""
        rounds = -self.balance[fair_key] // RULES.quantum + 1
        self.place += 1
        self.turns[fair_key] = (self.turns[fair_key][0] + rounds, self.place)
        self.balance[fair_key] += rounds * RULES.quantum

    @property
    def head(self) -> float:
        return min((line[0][0] for line in self.lines.values()), default=NEVER)


class Twin:
    """The queue as it is meant, with none of Redis's means."""

    def __init__(self) -> None:
        self.rules = RULES
        self.now_us = 0
        self.calls: dict[str, str] = {}
        self.messages: dict[str, Message] = {}
        self.lanes = {lane: Lane() for lane in LANES}
        self.delayed: dict[str, int] = {}
        self.flight: dict[str, tuple[str, int]] = {}
        self.leases: dict[str, int] = {}
        self.owners: dict[str, int] = {}
        self.gone: set[str] = set()
        self.rejected_at: dict[str, int] = {}
        self.records: dict[str, tuple[str, int, Message]] = {}
        self.dropped = self.position = 0
        self.owed = Counter()  # by the set of lanes that is served
        self.contact: int | None = None
        self.reap_after = 0

    @property
    def now(self) -> int:
        return self.now_us // 1000

    def enqueue(self, producer, number, entries):
        if self.calls.get(producer) == number:
            return []
        self.calls[producer] = number
        first = self._next_positions(len(entries))
        plan, rejected = [], []
        for index, (message_id, delay, envelope) in enumerate(entries):
            where, encoded = _read(envelope)
            if len(envelope) > RULES.max_bytes:
                self._reject(message_id, Message(where, encoded), "too_large")
                rejected.append(message_id)
                continue
            if message_id in self.flight and self.messages[message_id].moved_to:
                where = where._replace(lane=self.messages[message_id].moved_to)
            if self._is_wanted(message_id, self.now + max(delay, 0)):
                if message_id not in self.messages:
                    self._note_arrival(where)
                delayed = self.messages.get(message_id, Message(where, encoded))
                self.messages[message_id] = replace(delayed, where=where, encoded=encoded)
                if delay > 0:
                    self.delayed[message_id] = self.now + delay
                else:
                    plan.append((message_id, first + index))
        self._line_up(plan)
        return rejected

    def fetch(self, token, room, top_room, lanes, settlements):
        self.settle(settlements)
        self._reap()
        due = sorted((due, one) for one, due in self.delayed.items() if due <= self.now)
        for _, message_id in due:
            del self.delayed[message_id]
        self._line_up([(message_id, due * 1000) for due, message_id in due])
        taken = self._take_in_lane_order(lanes, room) if room else []
        if top_room:
            taken += [(*one, 0) for one in self._take(lanes[0], top_room, NEVER)[0]]
        for position, message_id, _ in taken:
            self.flight[message_id] = (token, position)
            self.leases[message_id] = self.now + RULES.lease_ms
        answer = [
            (message_id, self.messages[message_id].envelope, rank, self._crashes(self.messages[message_id]))
            for _, message_id, rank in taken
        ]
        return max(0, min(self.delayed.values()) - self.now) if self.delayed else -1, answer

    def settle(self, settlements):
        ended, put_off = [], 0
        for message_id, token, reason in settlements:
            if self._holds(message_id, token):
                if reason == "unknown_actor" and self._is_put_off(message_id):
                    put_off += 1
                    continue
                if reason:
                    self._reject(message_id, self.messages[message_id], reason)
                ended.append(message_id)
        for message_id in set(ended):
            self._forget(message_id)
        return len(ended) + put_off

    def _is_put_off(self, message_id):
        message = self.messages[message_id]
        if message.unknown_since is None:
            message.unknown_since = self.now
        if self.now - message.unknown_since >= RULES.unknown_actor_grace_ms:
            return False
        self._land(message_id)
        self.delayed[message_id] = self.now + RULES.unknown_actor_retry_ms
        return True

    def beat(self, owner, held):
        self.owners[owner] = self.now + RULES.lease_ms
        self.gone.discard(owner)
        kept = {pair for pair in held if self._holds(*pair)}
        for message_id, _ in kept:
            self.leases[message_id] = self.now + RULES.lease_ms
        self._reap()
        return set(held) - kept

    def requeue(self, held):
        plan = []
        for message_id, token in held:
            if self._holds(message_id, token):
                plan.append((message_id, self._land(message_id)))
        self._line_up(plan)

    def start(self, message_id, token):
        if self._holds(message_id, token):
            self.messages[message_id].started = token

    def known(self, ids):
        return set(ids) & set(self.messages)

    def move(self, ids, lane):
        plan = []
        for message_id in [one for one in ids if one in self.messages]:
            position = self._step_out(message_id)
            message = self.messages[message_id]
            message.where = message.where._replace(lane=lane)
            has_history = message.redelivered or message.owners or message.started or message.unknown_since is not None
            if message_id in self.flight or has_history or message.moved_to:
                message.moved_to = lane
            if position is not None:
                plan.append((message_id, position))
        self._line_up(plan)
        return sum(one in self.messages for one in ids)

    def stats(self, lanes):
        overdue = [self.now - due for due in self.delayed.values() if due <= self.now]
        answer = [
            len(self.delayed),
            len(overdue),
            max(overdue, default=-1),
            len(self.flight),
            len(self.rejected_at),
            self.dropped,
        ]
        for lane in (self.lanes[name] for name in lanes):
            waiting = [one for line in lane.lines.values() for _, one in line]
            age = -1 if lane.head == NEVER else max(0, (self.now_us - lane.head) // 1000)
            weight = sum(self.messages[one].where.weight for one in waiting)
            answer += [len(waiting), weight, age, lane.inflow["messages"], lane.inflow["weight"]]
        return answer

    def flush(self):
        dropped = len(self.messages)
        for lane in LANES:
            inflow = self.lanes[lane].inflow
            self.lanes[lane] = Lane()
            self.lanes[lane].inflow = inflow
        self.owed.clear()
        for held in (self.messages, self.delayed, self.flight, self.leases):
            held.clear()
        return dropped

    def listed(self, offset, count):
        order = sorted((at, one) for one, at in self.rejected_at.items())
        return [(one, at, *self.records[one][:2]) for at, one in order][offset : offset + count]

    def redrive(self, ids):
        first, plan, changed = self._next_positions(len(ids) + 2), [], 0
        for index, message_id in enumerate(ids):
            if message_id in self.records:
                message = self._drop_record(message_id)
                changed += 1
                if message_id not in self.messages:
                    self.messages[message_id] = Message(message.where, message.encoded)
                    self._note_arrival(message.where)
                    plan.append((message_id, first + 3 + index))
        self._line_up(plan)
        return changed

    def discard(self, ids):
        self._next_positions(len(ids) + 2)
        return sum(self._drop_record(one) is not None for one in dict.fromkeys(ids) if one in self.records)

    def _is_wanted(self, message_id, due):
        if message_id not in self.messages:
            return True
        if message_id in self.flight:
            self._forget(message_id)
            return True
        if due < self.delayed.get(message_id, -1):
            del self.delayed[message_id]
            return True
        return False

    def _take_in_lane_order(self, lanes, left):
        taken, number = [], 0
        while left > 0 and number < len(lanes):
            lane = self.lanes[lanes[number]]
            lower = min(lanes[number + 1 :], key=lambda name: self.lanes[name].head, default=None)
            if lower and self.lanes[lower].head == NEVER:
                lower = None
            found = []
            rank = number
            if lane.head == NEVER:
                number += 1
            elif not lower:
                found, _ = self._take(lanes[number], left, NEVER)
                number += 1
                self.owed[lanes] = 0
            elif self.owed[lanes] >= RULES.share - 1:
                found, weight = self._take(lower, 1, NEVER)
                self.owed[lanes] -= (RULES.share - 1) * weight
            else:
                found, weight = self._take(lanes[number], left, RULES.share - 1 - self.owed[lanes])
                self.owed[lanes] += weight
            taken += [(*one, rank) for one in found]
            left -= len(found)
        return taken

    def _take(self, name, most, budget):
        lane, taken, weight = self.lanes[name], [], 0
        while len(taken) < most and weight < budget and lane.turns:
            fair_key = lane.begin_turn()
            position, message_id = lane.lines[fair_key][0]
            taken.append((position, message_id))
            heavy = self.messages[message_id].where.weight
            weight += heavy
            lane.balance[fair_key] -= min(heavy, 20 * RULES.quantum)
            self._leave_line(lane, fair_key, position, message_id)
            if not lane.turns:
                lane.round = lane.place = 0
            elif fair_key in lane.turns and lane.balance[fair_key] <= 0:
                lane.end_turn(fair_key)
        return taken, weight

    def _leave_line(self, lane, fair_key, position, message_id):
        lane.lines[fair_key].remove((position, message_id))
        if not lane.lines[fair_key]:
            del lane.lines[fair_key], lane.balance[fair_key], lane.turns[fair_key]

    def _note_arrival(self, where):
        self.lanes[where.lane].inflow.update({"messages": 1, "weight": where.weight})

    def _line_up(self, plan):
        for message_id, position in plan:
            where = self.messages[message_id].where
            lane = self.lanes[where.lane]
            if where.fair_key not in lane.lines:
                lane.lines[where.fair_key] = []
                lane.join(where.fair_key)
            lane.lines[where.fair_key].append((position, message_id))
            lane.lines[where.fair_key].sort(key=lambda one: (one[0], f"{self.messages[one[1]].where.weight}:{one[1]}"))

    def _step_out(self, message_id):
        where = self.messages[message_id].where
        lane = self.lanes[where.lane]
        for position, one in lane.lines.get(where.fair_key, ()):
            if one == message_id:
                self._leave_line(lane, where.fair_key, position, one)
                return position
        return None

    def _reap(self):
        gap = self.now - self.contact if self.contact is not None else 0
        self.contact = self.now
        if gap < 0:
            for ends in (self.leases, self.owners):
                ends.update({one: min(end, self.now + RULES.lease_ms) for one, end in ends.items()})
        if not 0 <= gap <= RULES.lease_ms / 2:
            self.reap_after = self.now + RULES.lease_ms / 3
            return
        if self.now < self.reap_after:
            return
        plan = []
        for _, message_id in sorted((end, one) for one, end in self.leases.items() if end <= self.now):
            message = self.messages[message_id]
            self._note_loss(message, self.flight[message_id][0])
            if self._crashes(message) >= RULES.max_crashes:
                self._reject(message_id, message, "crashed")
                self._forget(message_id)
            else:
                plan.append((message_id, self._land(message_id)))
        self._line_up(plan)

    def _note_loss(self, message, token):
        message.redelivered += 1
        message.owners = [one for one in message.owners if one in self.gone]
        owner = token.rpartition(":")[0]
        if self.owners.get(owner, 0) > self.now:
            return
        self.gone.add(owner)
        if owner not in message.owners and (not message.owners or message.started == token):
            message.owners.append(owner)

    def _crashes(self, message):
        return len(set(message.owners) & self.gone)

    def _reject(self, message_id, message, reason):
        others = {one: record for one, record in self.records.items() if one != message_id}
        size = sum(_size(*record) for record in others.values()) + len(message.envelope)
        if (message_id not in self.records and len(others) >= RULES.rejected_max) or size > RULES.rejected_max_bytes:
            self.dropped += 1
            return
        self.rejected_at[message_id] = self.now
        self.records[message_id] = (reason, message.redelivered, Message(message.where, message.encoded))

    def _drop_record(self, message_id):
        del self.rejected_at[message_id]
        return self.records.pop(message_id)[2]

    def _holds(self, message_id, token):
        return self.flight.get(message_id, ("", 0))[0] == token

    def _land(self, message_id):
        del self.leases[message_id]
        return self.flight.pop(message_id)[1]

    def _forget(self, message_id):
        self._land(message_id)
        del self.messages[message_id]

    def _next_positions(self, count):
        first = max(self.now_us, self.position + 1)
        self.position = first + count - 1
        return first


def _read(envelope: bytes) -> tuple[QueuePosition, bytes]:
    lane, fair_key, weight, encoded = envelope.split(b"\x1f", 3)
    return QueuePosition(lane.decode(), fair_key.decode(), int(weight)), encoded


def _size(reason: str, redelivered: int, message: Message) -> int:
    return len(f"{reason}\x1f{redelivered}\x1f") + len(message.envelope)


@pytest.fixture
def twin_kind() -> type[Twin]:
    return Twin
