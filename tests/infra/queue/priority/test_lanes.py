"""Who goes first: lanes, the share of the lower ones, fair turns, and places that messages keep."""

import threading
import time

import dramatiq
import pytest
from dramatiq import Message
from redis import Redis

from infra.queue.priority import PriorityBroker, QueueRules
from infra.queue.priority.scripts import Scripts
from infra.queue.priority.slots import Slots

QUEUE = "work"


def message(name: str = "a", **options) -> Message:
    return Message(QUEUE, "note", (name,), {}, options)


def names(consumer, count: int) -> list[str]:
    """Take `count` messages as they come, each done before the next."""
    taken = []
    for _ in range(count):
        delivery = next(consumer)
        taken.append(delivery.args[0])
        consumer.ack(delivery)
    return taken


@pytest.fixture
def broker(make_broker):
    broker = make_broker()
    dramatiq.actor(lambda _: None, actor_name="note", queue_name=QUEUE, broker=broker)
    return broker


def test_the_higher_lane_goes_first(broker):
    broker.enqueue_many([message("late", lane="bulk"), message("mid", lane="p1"), message("soon", lane="p0")])
    assert names(broker.consume(QUEUE, prefetch=1), 3) == ["soon", "mid", "late"]


def test_a_message_without_a_lane_is_of_the_last_lane_or_its_actors(broker):
    dramatiq.actor(lambda: None, actor_name="urgent", queue_name=QUEUE, broker=broker, lane="p0").send()
    broker.enqueue(message())
    lanes = broker.stats(QUEUE).lanes
    assert (lanes["p0"].waiting, lanes["bulk"].waiting) == (1, 1)


def test_a_message_that_names_a_lane_keeps_its_actors_fair_key_and_weight(broker):
    order = dramatiq.actor(
        print, actor_name="order", queue_name=QUEUE, broker=broker, lane="bulk", fair_key="shop", weight=5
    )
    order.send_with_options(lane="p0")
    assert broker.stats(QUEUE).lanes["p0"].waiting_weight == 5
    assert broker.client.zcard(f"{broker._scripts_of(QUEUE).prefix}:waiting:p0:shop") == 1


def test_one_of_twenty_is_of_a_lower_lane(broker):
    broker.enqueue_many([message("p0", lane="p0") for _ in range(200)] + [message("bulk") for _ in range(200)])
    taken = names(broker.consume(QUEUE, prefetch=16), 100)
    assert taken.count("bulk") == 5


def test_the_share_is_counted_in_weight(broker):
    broker.enqueue_many([message("p0", lane="p0") for _ in range(300)])
    broker.enqueue_many([message("bulk", weight=5) for _ in range(20)])
    assert names(broker.consume(QUEUE, prefetch=1), 200).count("bulk") == 2


def test_a_middle_lane_does_not_starve_the_last(broker):
    broker.enqueue_many([message("bulk")])
    broker.enqueue_many([message("p1", lane="p1") for _ in range(100)])
    broker.enqueue_many([message("p0", lane="p0") for _ in range(100)])
    assert "bulk" in names(broker.consume(QUEUE, prefetch=1), 21)


def test_workers_of_the_upper_lanes_do_not_starve_the_last(make_broker, broker):
    """They see nothing wait below what they serve; the others owe the last lane its share all the same."""
    broker.enqueue_many([message("p0", lane="p0") for _ in range(100)] + [message("bulk")])
    upper = make_broker(served_lanes=("p0", "p1"))
    upper.actors = broker.actors
    beside, consumer = upper.consume(QUEUE, prefetch=1), broker.consume(QUEUE, prefetch=1)
    taken = []
    for _ in range(21):
        assert names(beside, 1) == ["p0"]
        taken += names(consumer, 1)
    assert "bulk" in taken


def test_turns_of_two_shops_in_one_lane(broker):
    broker.enqueue_many([message("A", fair_key="a") for _ in range(1000)])
    broker.enqueue_many([message("B", fair_key="b") for _ in range(10)])
    assert names(broker.consume(QUEUE, prefetch=8), 70).count("B") == 10


def test_without_fair_keys_the_second_shop_waits_for_all_of_the_first(broker):
    broker.enqueue_many([message("A") for _ in range(300)] + [message("B")])
    assert "B" not in names(broker.consume(QUEUE, prefetch=8), 300)


def test_turns_are_counted_in_weight(broker):
    broker.enqueue_many([message("heavy", fair_key="a", weight=50) for _ in range(20)])
    broker.enqueue_many([message("light", fair_key="b") for _ in range(1000)])
    taken = names(broker.consume(QUEUE, prefetch=1), 510)
    assert taken.count("heavy") in {10, 11}


def test_one_shop_alone_is_served_without_waiting_for_turns(broker):
    broker.enqueue_many([message(str(number), fair_key="a", weight=9_000) for number in range(5)])
    assert names(broker.consume(QUEUE, prefetch=5), 5) == list("01234")


def test_first_in_first_out_inside_one(broker):
    broker.enqueue_many([message(str(number)) for number in range(1200)])
    assert names(broker.consume(QUEUE, prefetch=16), 1200) == [str(number) for number in range(1200)]


def test_what_is_given_back_returns_to_its_place(make_broker, broker):
    broker.enqueue_many([message(str(number)) for number in range(40)])
    consumer = broker.consume(QUEUE, prefetch=16)
    begun = next(consumer)
    consumer.close()
    other = make_broker()
    other.actors = broker.actors
    assert names(other.consume(QUEUE, prefetch=1), 39) == [str(number) for number in range(1, 40)]
    consumer.ack(begun)
    assert broker.known(QUEUE, [begun.message_id]) == set()


def test_a_later_urgent_message_overtakes_what_is_prefetched(broker, monkeypatch):
    monkeypatch.setattr("infra.queue.priority.consumer.FRESH_S", 0.0)
    broker.enqueue_many([message("bulk") for _ in range(16)])
    consumer = broker.consume(QUEUE, prefetch=16)
    consumer.ack(next(consumer))
    broker.enqueue(message("soon", lane="p0"))
    assert names(consumer, 1) == ["soon"]


def test_an_urgent_message_is_next_when_a_thread_is_free(broker, run_worker, until, monkeypatch):
    """It waits for the message that runs, not for those that were fetched with it."""
    monkeypatch.setattr("infra.queue.priority.consumer.FRESH_S", 0.0)
    ran, may_end = [], threading.Semaphore(0)

    @dramatiq.actor(queue_name=QUEUE, broker=broker)
    def slow(name):
        ran.append(name)
        assert may_end.acquire(timeout=20)

    broker.enqueue_many([slow.message("bulk") for _ in range(10)])
    run_worker(broker, threads=1)
    until(lambda: ran)
    broker.enqueue(slow.message_with_options(args=("soon",), lane="p0"))
    may_end.release()
    until(lambda: len(ran) > 1)
    may_end.release(10)
    broker.join(QUEUE, timeout=10_000)
    assert ran[:2] == ["bulk", "soon"]


def test_a_full_prefetch_beside_a_free_thread_waits_for_an_end(broker, run_worker, until, monkeypatch):
    """Waiting messages ring all the time, and cannot be fetched."""
    monkeypatch.setattr("dramatiq.worker.QUEUE_PREFETCH", 1)
    fetches, begun, may_end = [], [], threading.Event()
    fetch = Scripts.fetch
    monkeypatch.setattr(Scripts, "fetch", lambda *args: fetches.append(args) or fetch(*args))

    @dramatiq.actor(queue_name=QUEUE, broker=broker)
    def slow(name):
        begun.append(name)
        assert may_end.wait(20)

    broker.enqueue_many([slow.message(number) for number in range(3)])
    run_worker(broker, threads=2, timeout_ms=5000)
    until(lambda: begun)
    threading.Event().wait(0.3)
    assert begun == [0]
    assert len(fetches) < 10
    may_end.set()
    broker.join(QUEUE, timeout=10_000)
    assert begun == [0, 1, 2]


def test_a_full_prefetch_beside_a_free_thread_has_a_place_for_the_first_lane(broker, run_worker, until, monkeypatch):
    monkeypatch.setattr("dramatiq.worker.QUEUE_PREFETCH", 2)
    begun, may_end = [], threading.Event()

    @dramatiq.actor(queue_name=QUEUE, broker=broker)
    def slow(name):
        begun.append(name)
        assert may_end.wait(20)

    broker.enqueue_many([slow.message("bulk") for _ in range(3)])
    run_worker(broker, threads=4, timeout_ms=20_000)
    until(lambda: len(begun) == 2)
    broker.enqueue(slow.message_with_options(args=("soon",), lane="p0"))
    until(lambda: len(begun) == 3)
    assert begun == ["bulk", "bulk", "soon"]
    may_end.set()
    broker.join(QUEUE, timeout=10_000)


def test_an_urgent_message_is_left_to_a_process_with_a_free_thread(make_broker, broker, run_worker, until, monkeypatch):
    """However often the busy one looks, and although it has room left in its prefetch."""
    begun, may_end, looks = [], threading.Event(), []
    wait = Slots.wait
    monkeypatch.setattr(Slots, "wait", lambda *args: looks.append(1) or wait(*args))

    @dramatiq.actor(queue_name=QUEUE, broker=broker)
    def slow(name):
        begun.append(name)
        assert may_end.wait(20)

    broker.enqueue(slow.message("bulk"))
    run_worker(broker, threads=1, timeout_ms=10)
    until(lambda: begun)
    broker.enqueue(slow.message_with_options(args=("soon",), lane="p0"))
    looked = len(looks)
    until(lambda: len(looks) > looked + 10)
    other = make_broker()
    other.actors = broker.actors
    consumer = other.consume(QUEUE, prefetch=1)
    assert names(consumer, 1) == ["soon"]
    consumer.close()
    may_end.set()
    broker.join(QUEUE, timeout=10_000)


def test_an_end_is_settled_although_no_thread_gets_free(broker, until):
    """And long before the consumer's time-out."""
    broker.enqueue_many([message("one"), message("two")])
    consumer = broker.consume(QUEUE, prefetch=2, timeout=60_000)
    first, second = next(consumer), next(consumer)
    broker._worker_states.first.slots.threads = 1
    taken = []
    taking = threading.Thread(target=lambda: taken.append(next(consumer)), daemon=True)
    taking.start()
    until(lambda: broker._worker_states.first.slots._waiting_for >= 0)
    consumer.ack(first)
    until(lambda: not broker.known(QUEUE, [first.message_id]))
    consumer.ack(second)
    broker.enqueue(message("three"))
    taking.join()
    assert taken[0].args == ("three",)


def test_workers_reserved_for_a_lane_serve_nothing_else(make_broker, broker):
    broker.enqueue_many([message("bulk"), message("p0", lane="p0")])
    reserved = make_broker(served_lanes=("p0",))
    reserved.actors = broker.actors
    consumer = reserved.consume(QUEUE, prefetch=4, timeout=50)
    assert names(consumer, 1) == ["p0"]
    assert next(consumer) is None


def test_a_waiting_message_changes_its_lane_and_keeps_its_age(broker):
    first, second = message("first"), message("second", lane="p0")
    broker.enqueue_many([first, second])
    assert broker.change_lane(QUEUE, [first.message_id, "unknown"], "p0") == 1
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 0
    assert names(broker.consume(QUEUE, prefetch=1), 2) == ["first", "second"]


def test_a_changed_lane_is_that_of_its_retries_too(broker):
    shaky = dramatiq.actor(print, actor_name="shaky", queue_name=QUEUE, broker=broker, min_backoff=1, max_backoff=1)
    sent = shaky.send_with_options(args=("a",), lane="bulk")
    broker.change_lane(QUEUE, [sent.message_id], "p0")
    consumer = broker.consume(QUEUE, prefetch=2, timeout=10_000)
    broker.emit_after("process_message", next(consumer), exception=ValueError("meant"))
    retry = next(consumer)
    assert retry.options["retries"] == 1
    assert retry.rank == 0


@pytest.mark.parametrize("moves", [["p0"], ["p1", "p0"]])
def test_the_retry_of_a_message_that_runs_goes_to_the_lane_that_it_was_moved_to(broker, moves):
    """Its process fetched it with the old lane, and sends that again."""
    shaky = dramatiq.actor(print, actor_name="shaky", queue_name=QUEUE, broker=broker, min_backoff=1, max_backoff=1)
    sent = shaky.send_with_options(args=("a",), lane="bulk")
    consumer = broker.consume(QUEUE, prefetch=2, timeout=10_000)
    running = next(consumer)
    for lane in moves:
        assert broker.change_lane(QUEUE, [sent.message_id], lane) == 1
    broker.emit_after("process_message", running, exception=ValueError("meant"))
    consumer.ack(running)
    retry = next(consumer)
    assert (retry.options["retries"], retry.options["lane"], retry.rank) == (1, "p0", 0)
    broker.emit_after("process_message", retry, exception=ValueError("meant"))
    assert next(consumer).rank == 0, "and so do its further ones"


@pytest.mark.parametrize(
    "options",
    [{"lane": "vip"}, {"weight": 0}, {"weight": "2"}, {"weight": True}, {"weight": 10**30}, {"fair_key": "a\x1fb"}],
)
def test_options_that_are_none_are_refused_where_they_are_sent(broker, options):
    with pytest.raises(ValueError, match=r"lane|weight|fair key"):
        broker.enqueue_many([message(), message(**options)])
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 0


@pytest.mark.parametrize(
    "options", [{"lanes": ()}, {"lanes": ("a", "a")}, {"served_lanes": ("x",)}, {"default_lane": "x"}]
)
def test_lanes_that_do_not_fit_are_refused(make_broker, options):
    with pytest.raises(ValueError, match="lane"):
        make_broker(**options)


def test_a_client_that_decodes_answers_is_refused(redis_url):
    with (
        Redis.from_url(redis_url.reveal(), decode_responses=True) as client,
        pytest.raises(ValueError, match="decode_responses"),
    ):
        PriorityBroker(client=client)


def test_rules_that_would_stop_a_queue_are_refused():
    for wrong in ({"share": 1}, {"lease_ms": 0}, {"max_crashes": 1}):
        with pytest.raises(ValueError, match="at least"):
            QueueRules(**wrong)


def test_a_waiting_id_is_not_enqueued_twice(broker):
    twice = message()
    broker.enqueue(twice)
    broker.enqueue_many([twice, twice])
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 1
    new = message(lane="p0")
    broker.enqueue_many([new, new])
    assert broker.stats(QUEUE).lanes["p0"].waiting == 1


def test_known_ids_wait_are_delayed_or_run(broker):
    waiting, running, delayed = message(), message(lane="p0"), message()
    broker.enqueue_many([waiting, running])
    broker.enqueue(delayed, delay=60_000)
    delivery = next(broker.consume(QUEUE, prefetch=1))
    assert delivery.message_id == running.message_id
    ids = {one.message_id for one in (waiting, running, delayed)}
    assert broker.known(QUEUE, [*ids, "unknown"]) == ids


def test_a_bell_can_ring_again_while_it_is_answered(broker):
    """Work that commits while its bell is being answered would otherwise be heard of by nobody."""
    bell = message("bell")
    broker.enqueue(bell)
    consumer = broker.consume(QUEUE, prefetch=1)
    answered = next(consumer)
    broker.enqueue(bell)
    consumer.ack(answered)
    assert names(consumer, 1) == ["bell"]


def test_the_earlier_of_two_due_times_counts(broker):
    twice = message()
    broker.enqueue(twice, delay=60_000)
    broker.enqueue(twice)
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 1
    broker.enqueue(twice, delay=60_000)
    assert broker.stats(QUEUE).delayed == 0


def test_who_sleeps_hears_of_what_is_due_before_it_would_ask_again(broker, redis):
    """Of another lane's as well, and although something else is due before it."""
    broker.enqueue(message("first"), delay=300)
    broker.enqueue(message("soon", lane="p0"), delay=500)
    broker.enqueue(message("later", lane="p1"), delay=60_000)
    assert [lane for lane in broker.lanes if redis.exists(bell(lane))] == ["p0", "bulk"]


def test_who_takes_something_leaves_word_of_what_is_due_soon(broker, redis):
    """It may be busy then, and all others asleep."""
    broker.enqueue(message("due"), delay=500)
    broker.enqueue(message("now"))
    consumer = broker.consume(QUEUE, prefetch=2, timeout=1)
    assert next(consumer).args == ("now",)
    assert redis.exists(bell("bulk"))
    assert next(consumer) is None
    assert not redis.exists(bell("bulk")), "else nobody would sleep any more"


def bell(lane):
    return f"{{priority:{QUEUE}}}:bell:{lane}"


@pytest.mark.parametrize(("prefetch", "most"), [(2, 2), (4, 256)])
def test_a_prefetch_that_was_chosen_is_never_exceeded(make_broker, monkeypatch, prefetch, most):
    """Twice as many as threads is Dramatiq's own choice."""
    monkeypatch.setattr(Slots, "read_ahead", lambda _self, _prefetch: 256)
    broker = make_broker()
    broker._worker_states.first.slots.threads = 2
    assert broker.consume(QUEUE, prefetch=prefetch)._room() == (most, 0)


def test_an_impatient_client_waits_for_bells_all_the_same(redis_url, run_worker, until):
    """A socket timeout that is shorter than the wait for a bell would look like a lost connection each time."""
    ran = []
    with Redis.from_url(redis_url.reveal(), socket_timeout=0.3) as client:
        broker = PriorityBroker(client=client)
        note = dramatiq.actor(ran.append, actor_name="note", broker=broker)
        worker = run_worker(broker, timeout_ms=2000)
        consumer = worker.consumers["default"]
        until(lambda: consumer.consumer)
        first = consumer.consumer
        time.sleep(0.5)
        note.send(1)
        until(lambda: ran)
        assert consumer.consumer is first
        worker.stop()
        broker.close()


def test_signals(broker):
    broker.enqueue_many([message(weight=3, fair_key="a"), message(weight=4)])
    consumer = broker.consume(QUEUE, prefetch=1, timeout=50)
    delivery = next(consumer)
    found = broker.stats(QUEUE)
    assert found.in_flight == 1
    assert (found.lanes["bulk"].waiting, found.lanes["bulk"].waiting_weight) == (1, 4)
    assert found.lanes["bulk"].oldest_ms is not None
    assert found.lanes["p0"].oldest_ms is None
    consumer.ack(delivery)
    names(consumer, 1)
    assert next(consumer) is None
    done = broker.stats(QUEUE)
    assert (done.in_flight, done.lanes["bulk"].waiting_weight) == (0, 0)
    assert (done.lanes["bulk"].inflow, done.lanes["bulk"].inflow_weight) == (2, 7)
