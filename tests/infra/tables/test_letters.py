import json

from infra.tables.letters import LETTERS, LetterFilter, load_causes, load_page

PLANT = """
WITH dead AS (
    INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes, owner,
                             due_at, opened_at)
    SELECT 'notify', g, 'bulk', 'webhook/x', 'c' || g %% 3, 'f' || g %% 3, '[]', 8, 0, 'engineering', now(),
           now() - make_interval(secs => %(count)s - g)
    FROM generate_series(1, %(count)s) AS g RETURNING fingerprint
)
INSERT INTO letter_tally SELECT fingerprint, 'CNY', count(*), count(*), 100 * count(*) FROM dead GROUP BY fingerprint
"""


def scans(plan, found=None):
    """(node, index) of everything that reads dead_letter."""
    found = [] if found is None else found
    if plan.get("Relation Name") == "dead_letter":
        found.append((plan["Node Type"], plan.get("Index Name")))
    for child in plan.get("Plans", ()):
        scans(child, found)
    return found


def test_causes_cost_what_there_are_of_causes_not_of_letters(database):
    with database.connection() as connection:
        connection.execute(PLANT, {"count": 20_000})
        connection.execute("ANALYZE dead_letter, letter_tally")
        found = load_causes(connection)
        query = b"EXPLAIN (ANALYZE, FORMAT JSON) " + LETTERS["causes"]
        plan = connection.execute(query).fetchone()[0][0]["Plan"]
    assert [(one.code, one.letters, one.at_risk[0].minor) for one in found] == [
        ("c1", 6667, 666_700),
        ("c2", 6667, 666_700),
        ("c0", 6666, 666_600),
    ]
    assert all(one.first_seen < one.last_seen for one in found)
    assert {index for _, index in scans(plan)} == {"dead_letter_of_cause"}, json.dumps(plan)


def test_pages_follow_each_other_without_a_gap(database):
    with database.connection() as connection:
        connection.execute(PLANT, {"count": 100})
        wanted, seen = LetterFilter(cause="f1"), []
        while page := load_page(connection, wanted, after=seen[-1] if seen else 0, limit=7):
            seen += [one.id for one in page]
    assert len(seen) == len(set(seen)) == 34
    assert seen == sorted(seen)
