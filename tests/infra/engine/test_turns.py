"""Shops take turns in a crowded line: who has ten orders does not wait behind who has ten thousand."""

import contextlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.states import Step
from infra.engine.claims import claim
from infra.engine.settle import WORK
from infra.queue.bells import BellKey

KEY = BellKey("review", "bulk", "")
BATCH = 50
PLANT = """INSERT INTO work (step, subject_id, lane, account, shop, due_at, lease_token, lease_until, is_suspect)
           SELECT r.step, r.subject_id, r.lane, '', r.shop, now() - make_interval(secs => r.age_s),
                  CASE WHEN r.is_leased THEN gen_random_uuid() END, CASE WHEN r.is_leased THEN now() END, r.is_suspect
           FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::float8[], %s::bool[], %s::bool[])
                AS r(step, subject_id, lane, shop, age_s, is_leased, is_suspect)"""


@pytest.fixture
def line(house):
    """Make work due: (shop, age in seconds) in the order of subject ids, from `first` on."""

    def plant(*shops_and_ages, first=1):
        rows = [
            (KEY.step, first + n, KEY.lane, shop, age_s, False, False) for n, (shop, age_s) in enumerate(shops_and_ages)
        ]
        house.rows(PLANT, *(list(column) for column in zip(*rows, strict=True)))
        house.rows("ANALYZE work")

    return plant


@pytest.fixture
def flood(line):
    """A thousand orders of shop A, the subjects 1 to 1,000; then ten younger ones of shop B."""
    line(*[("A", 1000 - n / 1000) for n in range(1000)], *[("B", 10.0)] * 10)
    return set(range(1001, 1011))


def claim_in(house, crowded, limit=BATCH):
    with house.db.transaction() as tx:
        return claim(tx, KEY, limit, crowded)


def test_who_has_few_is_in_the_next_batch(house, flood):
    claimed = claim_in(house, {KEY})
    assert len(claimed) == BATCH
    assert flood <= set(claimed)
    assert set(claimed) - flood == set(range(1, 41)), "the rest is the oldest of the other shop"


def test_control_without_turns_they_wait_behind_the_flood(house, flood):
    assert claim_in(house, set()) == list(range(1, BATCH + 1))


def batches_until(house, runner, done, before=lambda: None):
    for batches in range(1, 1000):
        before()
        runner.run(KEY)
        if not done & set(house.work()):
            return batches
    return None


def test_ten_orders_behind_a_thousand_are_done_after_one_bulk_batch(house, toy, flood):
    """The first batch finds out that the line is crowded."""
    assert batches_until(house, house.inner(toy(), BATCH), flood) == 2


def test_control_a_worker_that_never_finds_out_does_the_flood_first(house, toy, flood):
    runner = house.inner(toy(), BATCH)
    assert batches_until(house, runner, flood, before=runner.crowded.clear) == 1000 / BATCH + 1


def test_a_line_is_crowded_while_a_batch_does_not_empty_it(house, line):
    line(*[("A", 10.0)] * (2 * BATCH + 1))
    crowded = set()
    for left in (BATCH + 1, 1, 0):
        claimed = claim_in(house, crowded)
        house.rows("DELETE FROM work WHERE subject_id = ANY(%s)", claimed)
        assert house.one("SELECT count(*) FROM work") == left
        assert crowded == ({KEY} if left else set())


def test_of_more_shops_than_places_those_who_waited_longest(house, line):
    line(*[(f"shop-{n:03}", float(n)) for n in range(1, 101)])
    assert set(claim_in(house, {KEY}, limit=10)) == set(range(91, 101))


def test_what_another_batch_holds_is_passed_over_and_its_place_is_filled(house, flood):
    with house.db.transaction() as tx:
        held = claim(tx, KEY, BATCH, {KEY})
        assert flood <= set(held)
        assert set(claim_in(house, {KEY})) == set(range(41, 91)), "nothing twice, and a full batch"


def test_a_suspect_is_claimed_alone_whatever_the_crowd(house, flood):
    house.rows("UPDATE work SET is_suspect = true WHERE subject_id IN (3, 4)")
    alone = KEY._replace(alone=True)
    with house.db.transaction() as tx:
        assert len(claim(tx, alone, BATCH, {KEY, alone})) == 1


ROW = st.tuples(
    st.sampled_from(["review", "review", "review", "route"]),
    st.sampled_from(["bulk", "bulk", "bulk", "p0"]),
    st.sampled_from("ABCD"),
    st.sampled_from([-60.0, 1.0, 2.0, 3.0, 60.0]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([False, False, False, True]),
)


@given(rows=st.lists(ROW, max_size=40), limit=st.integers(1, 12), is_crowded=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_claim_is_full_due_and_fair(house, rows, limit, is_crowded):
    rows = [(step, n, *rest) for n, (step, *rest) in enumerate(rows)]
    free = {
        n: shop
        for step, n, lane, shop, age_s, leased, suspect in rows
        if (step, lane) == KEY[:2] and age_s > 0 and not (leased or suspect)
    }
    with house.db.connection() as connection:
        connection.execute("TRUNCATE work")
        if rows:
            connection.execute(PLANT, [list(column) for column in zip(*rows, strict=True)])
    claimed = claim_in(house, {KEY} if is_crowded else set(), limit)
    assert len(claimed) == len(set(claimed)) == min(limit, len(free))
    assert set(claimed) <= set(free)
    if is_crowded and 0 < len(set(free.values())) <= limit:
        due, took = Counter(free.values()), Counter(free[n] for n in claimed)
        share = limit // len(due)
        assert all(took[shop] >= min(share, due[shop]) for shop in due), "nobody gets less than an equal share"


def test_turns_skip_over_the_index_instead_of_reading_the_line(house):
    house.rows(
        """INSERT INTO work (step, subject_id, lane, shop, due_at)
           SELECT 'review', n, 'bulk', 'shop-' || n %% 50, now() - n * interval '1 ms'
           FROM generate_series(1, %s) AS n""",
        20_000,
    )
    house.rows("ANALYZE work")
    named = {"step": Step.REVIEW, "lane": "bulk", "account": "", "limit": BATCH}
    with house.db.connection() as connection, contextlib.closing(connection.cursor()) as cursor:
        plan = cursor.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + WORK["claim_turns"], named).fetchone()[0][0]
    nodes = list(walk(plan["Plan"]))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"work_turns"}
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 1000


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
