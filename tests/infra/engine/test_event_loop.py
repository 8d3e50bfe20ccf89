import asyncio
import threading

import pytest

from infra.engine.event_loop import Outside


@pytest.fixture
def outside():
    with Outside() as outside:
        yield outside


async def where():
    return threading.current_thread().name


def test_a_call_runs_on_the_loops_own_thread(outside):
    assert outside.run(where()) == "outside"


def test_an_error_comes_back_to_the_caller(outside):
    async def fail():
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        outside.run(fail())


def test_no_call_is_made_with_a_transaction_open(outside, database):
    called = []

    async def call():
        called.append(True)

    with pytest.raises(RuntimeError, match="transaction open"), database.transaction():
        outside.run(call())
    assert called == []
    outside.run(call())
    assert called == [True]


def test_a_transaction_of_another_thread_is_none_of_its_business(outside, database):
    with database.transaction():
        thread = threading.Thread(target=lambda: names.append(outside.run(where())))
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
    with Outside() as outside:
        outside.run(begin())
        outside.run(asyncio.to_thread(lambda: None))
    assert ended == [True]
    assert outside.loop.is_closed()
