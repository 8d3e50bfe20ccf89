import asyncio

import pytest

from infra.process.byte_room import ByteRoom


async def at_most(room: ByteRoom, sizes: list[int]) -> tuple[int, int]:
    """The most bytes, and the most answers, that were held at once while these came in this order."""
    held, most, most_held = 0, 0, 0
    under_way: set[int] = set()

    async def one(number: int, size: int) -> None:
        nonlocal held, most, most_held
        async with room.share() as share:
            under_way.add(number)
            most = max(most, len(under_way))
            await asyncio.sleep(0)
            held += size
            most_held = max(most_held, held)
            room.resize(share, size)
            await asyncio.sleep(0)
            held -= size
            under_way.discard(number)

    await asyncio.gather(*(one(number, size) for number, size in enumerate(sizes)))
    assert room.taken == 0
    return most_held, most


async def test_small_answers_come_all_at_once() -> None:
    _, most = await at_most(ByteRoom(1000), [10] * 50)
    assert most == 50


async def test_after_the_first_large_ones_only_as_many_come_as_have_room() -> None:
    room = ByteRoom(1000)
    await at_most(room, [400])
    assert await at_most(room, [400] * 20) == (800, 2)


async def test_one_that_is_larger_than_the_room_comes_alone_and_none_waits_for_ever() -> None:
    room = ByteRoom(1000)
    await at_most(room, [5000])
    assert await at_most(room, [5000] * 4) == (5000, 1)


async def test_what_was_large_long_ago_is_forgotten() -> None:
    room = ByteRoom(1000)
    await at_most(room, [1000])
    for _ in range(64):
        await at_most(room, [1])
    _, most = await at_most(room, [1] * 20)
    assert most == 20


async def test_a_fetch_that_raises_gives_its_room_back() -> None:
    room = ByteRoom(1000)
    await at_most(room, [400])
    for _ in range(5):
        with pytest.raises(ValueError, match="no number"):
            async with room.share():
                int("no number")
    assert room.taken == 0
