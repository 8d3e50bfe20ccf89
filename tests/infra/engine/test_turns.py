"""Shops take turns in a crowded line: who has ten orders does not wait behind who has ten thousand."""

import contextlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.engine.claims import claim
from infra.queue.bells import BellKey
from infra.tables.claims import CLAIMS

KEY = BellKey("review", "bulk", "")
BATCH = 50
PLANT = """INSERT INTO work (step, subject_id, lane, account, shop, due_at, lease_token, lease_until, is_suspect)
           SELECT r.step, r.subject_id, r.lane, '', r.shop, now() - make_interval(secs => r.age_s),
                  CASE WHEN r.is_leased THEN gen_random_uuid() END, CASE WHEN r.is_leased THEN now() END, r.is_suspect
           FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::float8[], %s::bool[], %s::bool[])
                AS r(step, subject_id, lane, shop, age_s, is_leased, is_suspect)"""


@pytest.fixture
def line(harness):
    """Make work due: (shop, age in seconds) in the order of subject ids, from `first` on."""

    def plant(*shops_and_ages, first=1):
        rows = [
            (KEY.step, first + n, KEY.lane, shop, age_s, False, False) for n, (shop, age_s) in enumerate(shops_and_ages)
        ]
        harness.rows(PLANT, *(list(column) for column in zip(*rows, strict=True)))
        harness.rows("ANALYZE work")

    return plant


@pytest.fixture
def flood(line):
    """A thousand orders of shop A, the subjects 1 to 1,000; then ten younger ones of shop B."""
    line(*[("A", 1000 - n / 1000) for n in range(1000)], *[("B", 10.0)] * 10)
    return set(range(1001, 1011))


def claim_in(harness, crowded, limit=BATCH):
    with harness.db.transaction() as tx:
        return claim(tx, KEY, limit, crowded)


def test_who_has_few_has_the_next_batch_alone(harness, flood):
    """Filled up by the other shop it would take five times as long."""
    crowded = {KEY: 0}
    assert set(claim_in(harness, crowded)) == flood
    assert KEY in crowded, "there is more"
    assert claim_in(harness, crowded) == list(range(1, BATCH + 1)), "the other shop's turn"


def test_who_has_many_takes_as_many_orders_as_those_who_have_few(harness, line):
    """However steadily these bring some."""
    line(*[("A", 1000 - n / 1000) for n in range(1000)])
    few, many = taken_with_a_trickle(harness, line, {KEY: 0}, batches=20, trickle=20)
    assert few <= many + BATCH
    assert many >= 20 * BATCH / 3


def test_who_has_many_has_every_third_batch_however_little_the_others_bring(harness, line):
    """A batch of one order costs nearly what one of fifty costs."""
    line(*[("A", 1000 - n / 1000) for n in range(1000)])
    _, many = taken_with_a_trickle(harness, line, {KEY: BATCH}, batches=18, trickle=1)
    assert many >= (18 - 3) / 3 * BATCH


def test_shops_that_had_the_line_to_themselves_owe_nothing(harness, line):
    line(*[(shop, 10.0) for shop in "BCDEF" for _ in range(20)])
    crowded = {KEY: 0}
    assert len(claim_in(harness, crowded)) == BATCH
    line(*[("A", 1000 - n / 1000) for n in range(1000)], first=1001)
    assert not set(claim_in(harness, crowded)) & set(range(1001, 2001)), "their turn"


def taken_with_a_trickle(harness, line, crowded, *, batches, trickle):
    """Orders taken of B and of A (the subjects 1 to 1,000) when some of B come before each batch."""
    few, many = 0, 0
    for number in range(batches):
        line(*[("B", 10.0)] * trickle, first=2001 + trickle * number)
        claimed = claim_in(harness, crowded)
        harness.rows("DELETE FROM work WHERE subject_id = ANY(%s)", claimed)
        few += sum(id_ > 2000 for id_ in claimed)
        many += sum(id_ <= 1000 for id_ in claimed)
        assert -BATCH <= crowded[KEY] <= BATCH
    return few, many


def test_what_few_did_not_take_in_a_quiet_hour_is_not_saved_up(harness, line):
    line(*[("A", 1000 - n / 1000) for n in range(1000)])
    crowded = {KEY: 0}
    for _ in range(5):
        harness.rows("DELETE FROM work WHERE subject_id = ANY(%s)", claim_in(harness, crowded))
    assert crowded == {KEY: 0}


def test_who_has_many_alone_fills_every_batch(harness, line):
    line(*[("A", 10.0)] * (3 * BATCH))
    crowded = {KEY: 0}
    for _ in range(3):
        claimed = claim_in(harness, crowded)
        harness.rows("DELETE FROM work WHERE subject_id = ANY(%s)", claimed)
        assert len(claimed) == BATCH


def test_those_who_have_few_share_a_batch(harness, line):
    line(*[("A", 1000.0)] * 100, *[(shop, 10.0) for shop in "BCDE" for _ in range(4)])
    assert set(claim_in(harness, {KEY: 0})) == set(range(101, 117))


def test_of_those_who_have_few_who_waited_longest_is_served_whole(harness, line):
    few = [(shop, age_s) for shop, age_s in [("B", 10.0), ("C", 40.0), ("D", 30.0), ("E", 20.0)] for _ in range(20)]
    line(*[("A", 1000.0)] * 100, *few)
    assert set(claim_in(harness, {KEY: 0})) == {*range(121, 161), *range(161, 171)}


def test_among_more_shops_fewer_rows_are_many(harness, line):
    """The look at each shop's line is paid for by every batch."""
    line(*[(f"shop-{n:02}", 1000.0) for n in range(50) for _ in range(4 if n else 5)])
    crowded = {KEY: 0}
    claimed = claim_in(harness, crowded)
    assert len(claimed) == BATCH
    assert not set(claimed) & {1, 2, 3, 4, 5}
    assert claim_in(harness, {KEY: -1})[:5] == [1, 2, 3, 4, 5]


def test_the_last_batch_holds_who_is_left(harness, line):
    """Turns of a line that one batch empties would only make two of it."""
    line(*[("A", 10.0)] * 30, *[("B", 10.0)] * 10)
    crowded = {KEY: -1}
    assert len(claim_in(harness, crowded)) == 40
    assert crowded == {}


def test_control_without_turns_they_wait_behind_the_flood(harness, flood):
    assert claim_in(harness, {}) == list(range(1, BATCH + 1))


def batches_until(harness, runner, done, before=lambda: None):
    for batches in range(1, 1000):
        before()
        runner.run(KEY)
        if not done & set(harness.work()):
            return batches
    return None


def test_ten_orders_behind_a_thousand_are_done_after_one_bulk_batch(harness, toy, flood):
    """The first batch finds out that the line is crowded."""
    assert batches_until(harness, harness.local(toy(), BATCH), flood) == 2


def test_control_a_worker_that_never_finds_out_does_the_flood_first(harness, toy, flood):
    runner = harness.local(toy(), BATCH)
    assert batches_until(harness, runner, flood, before=runner.crowded.clear) == 1000 / BATCH + 1


def test_a_line_is_crowded_while_a_batch_does_not_empty_it(harness, line):
    line(*[("A", 10.0)] * (2 * BATCH + 1))
    crowded = {}
    for left in (BATCH + 1, 1, 0):
        claimed = claim_in(harness, crowded)
        harness.rows("DELETE FROM work WHERE subject_id = ANY(%s)", claimed)
        assert harness.one("SELECT count(*) FROM work") == left
        assert set(crowded) == ({KEY} if left else set())


def test_of_more_shops_than_places_those_who_waited_longest(harness, line):
    line(*[(f"shop-{n:03}", float(n)) for n in range(1, 101)])
    assert set(claim_in(harness, {KEY: 0}, limit=10)) == set(range(91, 101))


def test_of_those_who_have_few_others_are_served_where_a_batch_holds_some(harness, line):
    line(*[("A", 1000.0)] * 200, *[(shop, 10.0) for shop in "BCDEF" for _ in range(20)])
    with harness.db.transaction() as tx:
        first = claim(tx, KEY, BATCH, {KEY: 0})
        second = claim_in(harness, {KEY: 0})
    assert sorted(first + second) == list(range(201, 301))


@pytest.mark.parametrize("credit", [0, -1])
def test_what_another_batch_holds_is_passed_over_and_its_place_is_filled(harness, flood, credit):
    with harness.db.transaction() as tx:
        held = claim(tx, KEY, BATCH, {KEY: 0}) + claim(tx, KEY, BATCH, {KEY: -1})
        assert set(held) == flood | set(range(1, BATCH + 1))
        assert set(claim_in(harness, {KEY: credit})) == set(range(51, 101)), "nothing twice, and a full batch"


def test_a_suspect_is_claimed_alone_whatever_the_crowd(harness, flood):
    harness.rows("UPDATE work SET is_suspect = true WHERE subject_id IN (3, 4)")
    alone = KEY._replace(alone=True)
    with harness.db.transaction() as tx:
        assert len(claim(tx, alone, BATCH, {KEY: 0, alone: 0})) == 1


ROW = st.tuples(
    st.sampled_from(["review", "review", "review", "route"]),
    st.sampled_from(["bulk", "bulk", "bulk", "p0"]),
    st.sampled_from("ABCD"),
    st.sampled_from([-60.0, 1.0, 2.0, 3.0, 60.0]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([False, False, False, True]),
)


@given(rows=st.lists(ROW, max_size=40), limit=st.integers(1, 12), credit=st.sampled_from([None, 0, -1]))
@settings(max_examples=90, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_claim_is_due_and_fair_and_full_but_for_those_who_have_few(harness, rows, limit, credit):
    rows = [(step, n, *rest) for n, (step, *rest) in enumerate(rows)]
    free = {
        n: shop
        for step, n, lane, shop, age_s, leased, suspect in rows
        if (step, lane) == KEY[:2] and age_s > 0 and not (leased or suspect)
    }
    with harness.db.connection() as connection:
        connection.execute("TRUNCATE work")
        if rows:
            connection.execute(PLANT, [list(column) for column in zip(*rows, strict=True)])
    crowded = {} if credit is None else {KEY: credit}
    claimed = claim_in(harness, crowded, limit)
    assert len(claimed) == len(set(claimed)) <= limit
    assert set(claimed) <= set(free)
    assert KEY in crowded or len(claimed) == len(free), "what is left is remembered"
    due, took = Counter(free.values()), Counter(free[n] for n in claimed)
    few = {shop for shop in due if due[shop] <= limit // 2}  # of four shops at most: four equal shares are no less
    if credit == 0 and few and few != set(due):
        assert set(took) <= few, "nobody else's"
        assert len(claimed) == min(limit, sum(due[shop] for shop in few)), "all that they have"
    else:
        assert len(claimed) == min(limit, len(free))
    if credit == -1 and 0 < len(due) <= limit:
        share = limit // len(due)
        assert all(took[shop] >= min(share, due[shop]) for shop in due if shop not in few), "an equal share at least"


@pytest.mark.parametrize("many", [False, True])
def test_turns_skip_over_the_index_instead_of_reading_the_line(harness, many):
    harness.rows(
        """INSERT INTO work (step, subject_id, lane, shop, due_at)
           SELECT 'review', n, 'bulk', 'shop-' || n %% 50, now() - n * interval '1 ms'
           FROM generate_series(1, %s) AS n""",
        20_000,
    )
    harness.rows("ANALYZE work")
    named = {"step": "review", "lane": "bulk", "account": "", "limit": BATCH, "many": many}
    with harness.db.connection() as connection, contextlib.closing(connection.cursor()) as cursor:
        plan = cursor.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + CLAIMS["claim_turns"], named).fetchone()[0][
            0
        ]
    nodes = list(walk(plan["Plan"]))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"work_turns"}
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 1000


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
