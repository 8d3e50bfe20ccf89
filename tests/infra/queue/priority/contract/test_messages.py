"""Messages behave as with Dramatiq's own broker; docs/reference/priority-broker.md lists the wanted differences."""

import time

import dramatiq
import dramatiq.worker
import pytest
from dramatiq import Message, Middleware, Worker, group, pipeline
from dramatiq.errors import ActorNotFound, Retry
from dramatiq.middleware import (
    CurrentMessage,
    GroupCallbacks,
    SkipMessage,
    TimeLimitExceeded,
)
from dramatiq.rate_limits.backends import StubBackend as LimiterBackend
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend


def test_runs_what_was_sent(broker, finish):
    ran = []
    actor = dramatiq.actor(ran.append, actor_name="note")
    for number in range(20):
        actor.send(number)
    finish()
    assert sorted(ran) == list(range(20))


def test_keeps_the_order_for_one_thread(broker, run_worker):
    ran = []
    actor = dramatiq.actor(ran.append, actor_name="note")
    for number in range(30):
        actor.send(number)
    run_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    assert ran == list(range(30))


def test_serves_several_queues(broker, finish):
    ran = []
    for queue in ("one", "two"):
        dramatiq.actor(ran.append, actor_name=f"note_{queue}", queue_name=queue).send(queue)
    finish()
    assert sorted(ran) == ["one", "two"]


def test_declares_queues_of_actors_once(broker, make_hooks):
    hooks = make_hooks()
    broker.add_middleware(hooks)
    for name in ("a", "b"):
        dramatiq.actor(lambda: None, actor_name=name, queue_name="same")
    assert broker.get_declared_queues() == {"same"}
    assert hooks.told.count("before_declare_queue") == hooks.told.count("after_declare_queue") == 1
    assert hooks.told.count("after_declare_actor") == 2


def test_knows_its_actors(broker):
    actor = dramatiq.actor(lambda: None, actor_name="known")
    assert broker.get_declared_actors() == {"known"}
    assert broker.get_actor("known") is actor
    with pytest.raises(ActorNotFound):
        broker.get_actor("unknown")


def test_the_declared_queues_are_a_copy(broker):
    broker.declare_queue("own")
    broker.get_declared_queues().clear()
    assert broker.get_declared_queues() == {"own"}


def test_tells_middleware_declared_later_about_queues(broker, make_hooks):
    broker.declare_queue("early")
    hooks = make_hooks()
    broker.add_middleware(hooks)
    assert "after_declare_queue" in hooks.told


def test_enqueue_returns_the_message(broker):
    actor = dramatiq.actor(lambda _: None, actor_name="a")
    message = actor.message(1)
    sent = broker.enqueue(message)
    assert (sent.message_id, sent.args, sent.actor_name) == (message.message_id, (1,), "a")


def test_hooks_of_a_success_come_in_order(broker, finish, make_hooks):
    hooks = make_hooks()
    broker.add_middleware(hooks)
    dramatiq.actor(lambda: None, actor_name="a").send()
    finish()
    wanted = "before_enqueue after_enqueue before_process_message after_process_message before_ack after_ack"
    assert [name for name in hooks.told if name in wanted.split()] == wanted.split()


def test_before_hooks_run_forward_and_after_hooks_backward(broker, finish):
    order = []

    class One(Middleware):
        def __init__(self, name):
            self.name = name

        def before_process_message(self, broker, message):
            order.append(f"before {self.name}")

        def after_process_message(self, broker, message, *, result=None, exception=None):
            order.append(f"after {self.name}")

    class Two(One):
        """Dramatiq warns of two of one class."""

    broker.add_middleware(One(1))
    broker.add_middleware(Two(2))
    dramatiq.actor(lambda: None, actor_name="a").send()
    finish()
    assert order == ["before 1", "before 2", "after 2", "after 1"]


def test_hooks_of_a_failure_end_with_nack(broker, finish, make_hooks):
    hooks = make_hooks()
    broker.add_middleware(hooks)
    dramatiq.actor(fail, actor_name="a", max_retries=0).send()
    finish()
    assert [name for name in hooks.told if "ack" in name] == ["before_nack", "after_nack"]


def fail() -> None:
    raise ValueError("meant")


def test_a_skipped_message_is_done(broker, finish, make_hooks):
    ran, hooks = [], make_hooks()

    class Skip(Middleware):
        def before_process_message(self, broker, message):
            raise SkipMessage

    broker.add_middleware(Skip())
    broker.add_middleware(hooks)
    dramatiq.actor(ran.append, actor_name="a").send(1)
    finish()
    assert not ran
    assert "after_skip_message" in hooks.told
    assert "after_ack" in hooks.told


def test_worker_and_thread_hooks(broker, make_hooks):
    hooks = make_hooks()
    broker.add_middleware(hooks)
    broker.declare_queue("default")
    worker = Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    worker.stop()
    for name in ("worker_boot", "worker_shutdown"):
        assert hooks.told.count(f"before_{name}") == hooks.told.count(f"after_{name}") == 1
    assert "after_consumer_thread_boot" in hooks.told
    assert "before_worker_thread_shutdown" in hooks.told


def test_retries_until_it_succeeds(broker, finish):
    seen = []

    @dramatiq.actor
    def shaky():
        seen.append(CurrentMessage.get_current_message().options.get("retries", 0))
        if len(seen) < 4:
            raise ValueError("meant")

    shaky.send()
    finish()
    assert seen == [0, 1, 2, 3]


def test_retries_keep_the_message_id(broker, finish):
    ids = []

    @dramatiq.actor(max_retries=2)
    def shaky():
        ids.append(CurrentMessage.get_current_message().message_id)
        raise ValueError("meant")

    message = shaky.send()
    finish()
    assert ids == [message.message_id] * 3


def test_retry_with_a_delay_of_its_own(broker, finish):
    times = []

    @dramatiq.actor
    def later():
        times.append(time.monotonic())
        if len(times) == 1:
            raise Retry(delay=150)

    later.send()
    finish()
    assert times[1] - times[0] >= 0.14


def test_throws_are_not_retried(broker, finish):
    ran = []

    @dramatiq.actor(throws=ValueError)
    def once():
        ran.append(1)
        raise ValueError("meant")

    once.send()
    finish()
    assert ran == [1]


def test_retry_when_decides(broker, finish):
    ran = []

    @dramatiq.actor(retry_when=lambda retries, error: retries < 2)
    def shaky():
        ran.append(1)
        raise ValueError("meant")

    shaky.send()
    finish()
    assert len(ran) == 3


def test_exhausted_retries_tell_another_actor(broker, finish):
    told = []

    @dramatiq.actor
    def mourn(message, retries):
        told.append((message["actor_name"], retries))

    dramatiq.actor(fail, actor_name="hopeless", max_retries=1, on_retry_exhausted="mourn").send()
    finish()
    assert told == [("hopeless", {"retries": 1, "max_retries": 1})]


def test_time_limit_ends_a_message(broker, finish):
    broker.emit_after("process_boot")
    ended = []

    @dramatiq.actor(time_limit=100, max_retries=0)
    def endless():
        try:
            while True:
                time.sleep(0.01)
        except TimeLimitExceeded:
            ended.append(1)
            raise

    endless.send()
    finish()
    assert ended == [1]


def test_age_limit_drops_an_old_message(broker, finish):
    ran = []
    actor = dramatiq.actor(ran.append, actor_name="a", max_age=1000)
    old = Message("default", "a", (1,), {}, {}, message_timestamp=int(time.time() * 1000) - 2000)
    broker.enqueue(old)
    actor.send(2)
    finish()
    assert ran == [2]


def test_current_message(broker, finish):
    seen = []

    @dramatiq.actor
    def look(number):
        seen.append(CurrentMessage.get_current_message().args)

    look.send(7)
    finish()
    assert seen == [(7,)]


def test_options_arrive(broker, finish):
    seen = []

    @dramatiq.actor
    def look():
        seen.append(CurrentMessage.get_current_message().options["colour"])

    look.send_with_options(colour="blue")
    finish()
    assert seen == ["blue"]


def test_results(broker, finish):
    broker.add_middleware(Results(backend=StubBackend()))
    actor = dramatiq.actor(lambda a, b: a + b, actor_name="add", store_results=True)
    message = actor.send(1, 2)
    finish()
    assert message.get_result() == 3


def test_pipelines_hand_results_on(broker, finish):
    ran = []
    double = dramatiq.actor(lambda number: number * 2, actor_name="double")
    note = dramatiq.actor(ran.append, actor_name="note")
    pipeline([double.message(3), double.message(), note.message()]).run()
    finish()
    assert ran == [12]


def test_groups_with_a_callback(broker, finish):
    broker.add_middleware(GroupCallbacks(LimiterBackend()))
    ran = []
    note = dramatiq.actor(ran.append, actor_name="note")
    whole = group([note.message(1), note.message(2)])
    whole.add_completion_callback(note.message("all"))
    whole.run()
    finish()
    assert sorted(ran[:2]) == [1, 2]
    assert ran[2:] == ["all"]


def test_a_middleware_that_fails_keeps_nobody_from_hearing(broker, finish, make_hooks):
    class Failing(dramatiq.Middleware):
        def before_process_message(self, _broker, _message):
            raise ValueError("a defect of its own")

        def after_process_message(self, _broker, _message, *, result=None, exception=None):
            raise ValueError("a defect of its own")

    first, last = make_hooks(), make_hooks()
    for middleware in (first, Failing(), last):
        broker.add_middleware(middleware)
    ran = []
    dramatiq.actor(broker=broker, actor_name="noted")(lambda: ran.append(1)).send()
    finish()
    assert ran == [1]
    for hooks in (first, last):
        assert {"before_process_message", "after_process_message", "before_ack", "after_ack"} <= set(hooks.told)


def test_middleware_may_come_and_go(broker, finish, make_hooks):
    actor = dramatiq.actor(broker=broker, actor_name="quiet")(lambda: None)
    actor.send()
    finish()
    hooks = make_hooks()
    broker.add_middleware(hooks)
    actor.send()
    finish()
    heard = len(hooks.told)
    assert "after_ack" in hooks.told
    broker.middleware.remove(hooks)
    actor.send()
    finish()
    assert len(hooks.told) == heard
