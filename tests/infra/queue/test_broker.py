from dramatiq import Actor, Message, Worker

from infra.queue.bells import QUEUE
from infra.queue.broker import RejectUnanswerable, connect_redis, make_broker

LANES = ("p0", "p1", "bulk")


def test_the_broker_retries_nothing_and_ages_nothing_by_itself(redis_url):
    with connect_redis(redis_url.reveal()) as client:
        broker = make_broker(client, LANES)
        assert [type(one) for one in broker.middleware] == [RejectUnanswerable]
        assert broker.get_declared_queues() == {QUEUE}


def test_a_worker_may_be_reserved_for_a_lane(redis_url):
    with connect_redis(redis_url.reveal()) as client:
        broker = make_broker(client, LANES, ("p0",))
        assert (broker.lanes, broker.served_lanes) == (LANES, ("p0",))


def test_the_client_answers_after_its_connection_was_cut(redis_url):
    with connect_redis(redis_url.reveal()) as client:
        client.set("a", "1")
        client.client_kill_filter(_id=client.client_id(), skipme=False)
        assert client.get("a") == b"1"


def test_a_message_that_no_actor_can_be_called_with_is_rejected(redis_url, until):
    heard = []
    with connect_redis(redis_url.reveal()) as client:
        broker = make_broker(client, LANES)
        Actor(heard.append, broker=broker, actor_name="review", queue_name=QUEUE, priority=0, options={})
        malformed = Message(QUEUE, "review", (1, 2, 3), {}, {})
        broker.enqueue_many([malformed, Message(QUEUE, "review", ("well",), {}, {})])
        worker = Worker(broker, worker_threads=1, worker_timeout=50)
        worker.start()
        until(lambda: heard and broker.rejected(QUEUE))
        worker.stop()
        broker.close()
        assert heard == ["well"]
        assert [(one.message_id, one.reason) for one in broker.rejected(QUEUE)] == [(malformed.message_id, "failed")]
