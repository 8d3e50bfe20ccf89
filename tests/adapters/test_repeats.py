"""Quick attempts of the door, as the account's guard allows them."""

import pytest

from adapters.http_client import RETRY_ATTEMPTS_MAX, Request
from domain.errors import Transient
from infra.accounts.repeats import repeating


@pytest.mark.parametrize(("allowed", "attempts"), [(0, 1), (1, 2), (99, RETRY_ATTEMPTS_MAX)])
async def test_a_call_is_repeated_as_often_as_its_guard_allows(open_door, closed_host, allowed, attempts):
    left = [True] * allowed
    door = await open_door(closed_host)
    with repeating(lambda: bool(left) and left.pop()), pytest.raises(Transient):
        await door.send(Request("GET", f"http://{closed_host}/", "ask", is_idempotent=True))
    assert door.tallies[closed_host].attempts == attempts
