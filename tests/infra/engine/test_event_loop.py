import asyncio
import threading

import pytest

from infra.engine.event_loop import EventLoopThread


@pytest.fixture
def event_loop():
    with EventLoopThread() as event_loop:
        yield event_loop


async def where():
    return threading.current_thread().name


def test_a_call_runs_on_the_loops_own_thread(event_loop):
    assert event_loop.run(where()) == "outside"


def test_an_error_comes_back_to_the_caller(event_loop):
    async def fail():
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        event_loop.run(fail())


def test_no_call_is_made_with_a_transaction_open(event_loop, database):
    called = []

    async def call():
        called.append(True)

    with pytest.raises(RuntimeError, match="transaction open"), database.transaction():
        event_loop.run(call())
    assert called == []
    event_loop.run(call())
    assert called == [True]


def test_a_transaction_of_another_thread_is_none_of_its_business(event_loop, database):
    with database.transaction():
        thread = threading.Thread(target=lambda: names.append(event_loop.run(where())))
        names: list[str] = []
        thread.start()
        thread.join(20)
    assert names == ["outside"]


def test_the_end_closes_what_is_still_open():
    ended = []

    async def stream():
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    async def begin():
        await anext(numbers)

    numbers = stream()
    with EventLoopThread() as event_loop:
        event_loop.run(begin())
        event_loop.run(asyncio.to_thread(lambda: None))
    assert ended == [True]
    assert event_loop.loop.is_closed()
