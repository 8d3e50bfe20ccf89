"""ask.lua and look.lua against a twin in Python, over random sequences of questions, reports and waits."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import PREFIX, CallResults, GateLook

ACCOUNT = "sf/main"


@dataclass
class Twin:
    """The same gate, told the time that Redis used."""

    rules: GateRules
    epoch: int = 0
    failures: int = 0
    open_until: int = 0
    ramp_from: int = 0
    ramp_slot: int = 0
    ramp_used: int = 0
    quiet_until: int = 0
    tokens: int = 0
    filled: int = 0

    def ask(self, want: int, heard: CallResults, now: int):
        self._fill(heard.unused, now)
        self._hear(heard, now)
        if heard.quiet_ms:
            self.quiet_until, self.tokens = max(self.quiet_until, now + heard.quiet_ms), 0
        room, why, wait = want, "", 0
        for calls, reason, ms in self._limits(now):
            if calls < room or (calls == 0 and ms > wait):
                room, why, wait = calls, reason, ms
        granted = max(0, min(want, room))
        if granted:
            wait = 0
            self.tokens -= granted * 1_000_000 if self.rules.rate_milli else 0
            self.ramp_used += granted if self.ramp_from else 0
            if self.open_until:
                self._begin_epoch(now)
                self.open_until, why = now + self.rules.open_ms, "probe"
        return granted, self.epoch, why, max(0, wait)

    def look(self, now: int) -> GateLook:
        if self.quiet_until > now and self.quiet_until >= self.open_until:
            return GateLook("throttled", self.quiet_until - now, 0)
        if self.open_until > now:
            return GateLook("open", self.open_until - now, 0)
        if self.open_until:
            return GateLook("", 0, 1)
        if self.ramp_from:
            calls = 2 ** min(30, max(0, now - self.ramp_from) // self.rules.ramp_ms)
            return GateLook("", 0, calls if calls < self.rules.ramp_calls else -1)
        return GateLook("", 0, -1)

    def _fill(self, unused: int, now: int) -> None:
        if self.rules.rate_milli:
            self.filled = self.filled or now
            earned = max(0, now - self.filled) * self.rules.rate_milli
            self.tokens = min(self.rules.burst * 1_000_000, self.tokens + earned + unused * 1_000_000)
            self.filled = max(now, self.filled)

    def _hear(self, heard: CallResults, now: int) -> None:
        if heard.epoch != self.epoch or not heard.passed + heard.failed:
            return
        if self.open_until:
            if heard.failed:
                self._open(now)
            else:
                self._begin_epoch(now)
                self.open_until, self.ramp_from, self.ramp_slot, self.ramp_used = 0, now, 0, 0
            return
        self.failures = (0 if heard.passed else self.failures) + heard.failed
        if self.failures >= self.rules.failures_max or (heard.failed and self.ramp_from):
            self._open(now)

    def _limits(self, now: int):
        if self.ramp_from:
            slot = max(0, now - self.ramp_from) // self.rules.ramp_ms
            if slot >= 30 or 2**slot >= self.rules.ramp_calls:
                self.ramp_from = 0
            else:
                if slot != self.ramp_slot:
                    self.ramp_slot, self.ramp_used = slot, 0
                yield 2**slot - self.ramp_used, "ramp", self.ramp_from + (slot + 1) * self.rules.ramp_ms - now
        if self.rules.rate_milli:
            wait = math.ceil((1_000_000 - self.tokens) / self.rules.rate_milli)
            yield self.tokens // 1_000_000, "rate", wait
        if self.open_until > now:
            yield 0, "open", self.open_until - now
        elif self.open_until:
            yield 1, "probe", self.rules.open_ms
        if self.quiet_until > now:
            yield 0, "throttled", self.quiet_until - now

    def _open(self, now: int) -> None:
        self._begin_epoch(now)
        self.open_until, self.ramp_from = now + self.rules.open_ms, 0

    def _begin_epoch(self, now: int) -> None:
        self.epoch, self.failures = max(self.epoch + 1, now), 0

    def pass_ms(self, ms: int) -> None:
        for name in ("open_until", "ramp_from", "quiet_until", "filled"):
            setattr(self, name, getattr(self, name) - ms if getattr(self, name) else 0)


RULES = st.builds(
    GateRules,
    failures_max=st.integers(1, 3),
    open_ms=st.just(10_000),
    ramp_ms=st.just(1_000),
    ramp_calls=st.sampled_from([1, 4, 64]),
    rate_per_s=st.sampled_from([0.0, 0.5, 20.0]),
    burst=st.integers(1, 10),
)
ASK = st.tuples(
    st.just("ask"),
    st.integers(0, 40),
    st.tuples(
        st.sampled_from(["now", "stale"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(0, 3),
        st.sampled_from([0, 0, 0, 3_000]),
    ),
)
WAIT = st.tuples(st.just("wait"), st.sampled_from([1, 400, 1_000, 2_500, 10_001, 40_000]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES, course=st.lists(st.one_of(ASK, ASK, WAIT), max_size=25))
def test_the_scripts_do_what_the_twin_does(make_world, redis, shared, rules, course):
    redis.flushdb()
    world, twin = make_world(), Twin(rules)
    for kind, *given_ in course:
        if kind == "wait":
            world.pass_ms(ACCOUNT, given_[0])
            twin.pass_ms(given_[0])
            continue
        want, (when, *outcomes) = given_
        heard = CallResults(twin.epoch if when == "now" else twin.epoch + 7, *outcomes)
        grant = shared.ask(ACCOUNT, want, heard, rules)
        assert grant[:4] == twin.ask(want, heard, grant.now_ms)
        seen = shared.look([ACCOUNT], rules)[ACCOUNT]
        seconds, micros = redis.time()
        moments = range(grant.now_ms, seconds * 1000 + micros // 1000 + 1)
        assert seen in [twin.look(moment) for moment in moments]


def test_a_free_gate_leaves_nothing_in_redis(redis, shared):
    assert shared.ask(ACCOUNT, 256, CallResults(passed=9), GateRules())[:4] == (256, 0, "", 0)
    assert redis.keys(PREFIX + "*") == []


def test_after_a_loss_of_redis_the_bucket_is_empty(redis, shared, make_world):
    rules, world = GateRules(rate_per_s=10, burst=20), make_world()
    assert shared.ask(ACCOUNT, 5, CallResults(), rules).calls == 0
    world.pass_ms(ACCOUNT, 5_000)
    assert shared.ask(ACCOUNT, 50, CallResults(), rules).calls == 20, "no more than the burst is saved up"
    world.pass_ms(ACCOUNT, 5_000)
    redis.flushdb()
    grant = shared.ask(ACCOUNT, 5, CallResults(), rules)
    assert (grant.calls, grant.why) == (0, "rate")
    assert 90 <= grant.wait_ms <= 100


def test_a_rate_needs_a_burst():
    with pytest.raises(ValueError, match="burst"):
        GateRules(rate_per_s=3.0)
