from infra.process.randomness import SystemRandomness


def test_rolls_stay_in_their_range_and_differ():
    rolls = {SystemRandomness().fraction() for _ in range(100)}
    assert all(0 <= roll < 1 for roll in rolls)
    assert len(rolls) > 1


def test_nobody_else_has_the_token():
    assert len({SystemRandomness().token() for _ in range(100)}) == 100
