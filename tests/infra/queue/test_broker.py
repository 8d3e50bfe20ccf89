from infra.queue.broker import HEARTBEAT_TIMEOUT_MS, MAINTENANCE_CHANCE, connect_redis, make_broker


def test_the_broker_retries_nothing_and_ages_nothing_by_itself(redis_url):
    client = connect_redis(redis_url.reveal())
    broker = make_broker(client, ("p0", "bulk"))
    assert broker.middleware == []
    assert broker.get_declared_queues() == {"p0", "bulk"}
    assert (broker.heartbeat_timeout, broker.maintenance_chance) == (HEARTBEAT_TIMEOUT_MS, MAINTENANCE_CHANCE)
    client.close()


def test_the_client_answers_after_its_connection_was_cut(redis_url):
    client = connect_redis(redis_url.reveal())
    client.set("a", "1")
    client.client_kill_filter(_type="normal", skipme=False)
    assert client.get("a") == b"1"
    client.close()
