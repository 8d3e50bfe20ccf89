"""Random commands against the scripts and a twin in Python: both must answer the same, command after command.

PRIORITY_MODEL_COMMANDS=100000 makes it long, PRIORITY_MODEL_SEED repeats a run.
"""

import os
import random
from collections import Counter

import pytest
from redis import Redis

from infra.queue.priority.delivery import QueuePosition
from infra.queue.priority.scripts import NAMES, FetchRequest, QueueEntry, Scripts, Settlement, source

LANES = ("p0", "p1", "bulk")
OWNERS = ("ann", "bob", "cid")
FAIR_KEYS = ("", "a", "b", "c")
ENDS = ("", "", "", "failed", "unknown_actor")


class Pair:
    """Gives each command to both and compares their answers."""

    def __init__(self, redis: Redis, seed: int, twin_kind: type) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a seeded stream must be repeatable, not secret
        self.redis = redis
        self.twin = twin_kind()
        self.scripts = Scripts(redis, "model", "q", self.twin.rules)
        plain, replaced = 'redis.call("TIME")', 'redis.call("LRANGE", "clock", 0, 1)'
        for name in NAMES:
            assert source(name).count(plain) == 1
            self.scripts._scripts[name] = redis.register_script(source(name).replace(plain, replaced))
        self.tokens: list[tuple[str, str]] = [("none", "ann:0")]
        self.numbers = 0
        self.history: list[tuple] = []
        self.done = Counter()
        self.advance(1_700_000_000_000_000)

    def advance(self, us: int) -> None:
        self.twin.now_us += us
        clock = divmod(self.twin.now_us, 1_000_000)
        with self.redis.pipeline() as pipe:
            pipe.delete("clock").rpush("clock", *clock).execute()

    def ask(self, name: str, *args):
        self.history = [*self.history[-30:], (name, *args)]
        wanted = getattr(self.twin, name)(*args)
        found = self._read_list(*args) if name == "listed" else self._found(name, *args)
        assert found == wanted, (name, self.history)
        self.done[name] += 1
        return wanted

    def _found(self, name, *args):
        if name in {"redrive", "discard"}:
            return self.scripts.change_rejected(name, *args)
        if name == "fetch":
            *wanted, endings = args
            due_ms, fetched = self.scripts.fetch(FetchRequest(*wanted), endings)
            return due_ms, [tuple(one) for one in fetched]
        return getattr(self.scripts, name)(*args)

    def _read_list(self, offset, count):
        rows = iter(self.scripts.rejected("list", offset, count))
        listed = []
        for message_id, at, record in zip(rows, rows, rows, strict=True):
            reason, redelivered, _ = record.split(b"\x1f", 2)
            listed.append((message_id.decode(), at, reason.decode(), int(redelivered)))
        return listed

    def step(self) -> None:
        choose = self.random.choices
        names = ["enqueue", "fetch", "settle", "beat", "requeue", "start", "move", "known", "advance"]
        names += ["redrive", "discard", "listed", "stats", "flush"]
        name = choose(names, [20, 20, 10, 12, 4, 4, 3, 2, 15, 2, 2, 1, 2, 0.1])[0]
        getattr(self, f"_{name}")()

    def run(self, commands: int) -> Counter:
        for _ in range(commands):
            self.step()
        self.ask("stats", LANES)
        return self.done

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    def _ids(self, most: int = 4) -> list[str]:
        return list(dict.fromkeys(f"m{self.random.randrange(30)}" for _ in range(self.random.randint(1, most))))

    def _held(self, most: int = 4) -> list[tuple[str, str]]:
        return self.random.sample(self.tokens, min(len(self.tokens), self.random.randint(1, most)))

    def _enqueue(self) -> None:
        number = str(self._number() if self.random.random() < 0.9 else self.numbers)
        entries = []
        for message_id in self.random.choices(self._ids(), k=self.random.randint(1, 4)):
            weight = self.random.choice((1, 1, 1, 2, 7, 30, 500))
            where = QueuePosition(self.random.choice(LANES), self.random.choice(FAIR_KEYS), weight)
            delay = self.random.choice((-1, -1, -1, 0, 1, 60, 400))
            encoded = b"x" * self.random.choice((3, 10, 20, 80))
            entries.append(QueueEntry(message_id, delay, where.envelope(encoded)))
        self.ask("enqueue", self.random.choice(("x", "y")), number, entries)

    def _fetch(self) -> None:
        token = f"{self.random.choice(OWNERS)}:{self._number()}"
        lanes = self.random.choice((LANES, LANES, LANES, ("p0",), ("p0", "p1"), ("p1", "bulk")))
        room, top_room = self.random.choice((0, 1, 3, 8)), self.random.choice((0, 0, 1))
        _, fetched = self.ask("fetch", token, room, top_room, lanes, self._endings())
        self.tokens = (self.tokens + [(one[0], token) for one in fetched])[-25:]

    def _endings(self) -> list[Settlement]:
        return [Settlement(*held, self.random.choice(ENDS)) for held in self._distinct(self._held())]

    def _distinct(self, held: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return list({message_id: (message_id, token) for message_id, token in held}.values())

    def _settle(self) -> None:
        self.ask("settle", self._endings())

    def _beat(self) -> None:
        owner = self.random.choice(OWNERS)
        self.ask("beat", owner, [held for held in self.tokens if held[1].startswith(owner)])

    def _requeue(self) -> None:
        held = self._held()
        self.ask("requeue", held)

    def _start(self) -> None:
        self.ask("start", *self.random.choice(self.tokens))

    def _move(self) -> None:
        self.ask("move", self._ids(), self.random.choice(LANES))

    def _known(self) -> None:
        self.ask("known", self._ids())

    def _advance(self) -> None:
        self.advance(self.random.choice((0, 1, 1000, 30_000, 30_000, 200_000, 400_000, 1_500_000, -900_000)))

    def _redrive(self) -> None:
        self.ask("redrive", self._ids(10))

    def _discard(self) -> None:
        self.ask("discard", self._ids(10))

    def _listed(self) -> None:
        self.ask("listed", 0, 10)

    def _stats(self) -> None:
        self.ask("stats", LANES)

    def _flush(self) -> None:
        self.ask("flush")


def test_the_scripts_do_what_their_twin_does(each_redis, twin_kind):
    seed = int(os.environ.get("PRIORITY_MODEL_SEED") or random.SystemRandom().randrange(2**32))
    print(f"PRIORITY_MODEL_SEED={seed}")  # noqa: T201 - shown when the test fails
    Pair(each_redis, seed, twin_kind).run(int(os.environ.get("PRIORITY_MODEL_COMMANDS", "3000")))


@pytest.mark.parametrize("seed", [1, 2])
def test_known_seeds_reach_every_command_and_outcome(redis, twin_kind, seed):
    pair = Pair(redis, seed, twin_kind)
    done = pair.run(3000)
    assert {"enqueue", "fetch", "settle", "beat", "requeue", "start", "move", "flush"} <= set(done)
    assert pair.twin.dropped


def test_a_twin_that_forgets_fair_turns_is_found_out(redis, twin_kind, monkeypatch):
    with_turns = twin_kind._take

    def first_come_first_served(self, name, most, budget):
        self.lanes[name].balance = dict.fromkeys(self.lanes[name].balance, 1_000_000)
        return with_turns(self, name, most, budget)

    pair = Pair(redis, 3, twin_kind)
    monkeypatch.setattr(twin_kind, "_take", first_come_first_served)
    with pytest.raises(AssertionError):
        pair.run(3000)
