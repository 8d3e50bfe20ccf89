"""One heartbeat for all queues of a process."""

from threading import Event
from unittest.mock import Mock

import pytest
from dramatiq.errors import ConnectionClosed

from infra.queue.priority.heartbeat import Heartbeat


@pytest.mark.parametrize("error", [ConnectionClosed("away"), ValueError("meant")])
def test_a_queue_that_cannot_be_renewed_keeps_no_other_from_it(error):
    renewed = Event()
    local_queues = [Mock(is_needed=True), Mock(is_needed=True), Mock(is_needed=False)]
    local_queues[0].beat.side_effect = error
    local_queues[1].beat.side_effect = renewed.set
    heartbeat = Heartbeat(lambda: local_queues, 0.01)
    heartbeat.start()
    assert renewed.wait(10)
    heartbeat.stop()
    assert not local_queues[2].beat.called
