"""KEDA is asked for fields it knows, and its questions are answered by our own signals.

`keda.schema.json` mirrors the fields that KEDA documents (https://keda.sh, "ScaledObject specification"); no KEDA has
read the manifests.
"""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

SCHEMA = json.loads((Path(__file__).parent / "keda.schema.json").read_text())
# Seconds ago: fresh, and too old to go by.
NEWEST, EARLIER = 10, 190
BEFORE = {("order", "p0"): (0, 0.0, 100), ("order", "bulk"): (9, 90.0, 1000), ("label", "bulk"): (0, 0.0, 0)}
NOW = {("order", "p0"): (3, 1.5, 500), ("order", "bulk"): (700, 12.0, 3600), ("label", "bulk"): (40, 33.0, 0)}


@pytest.fixture
def ask(database, of_kind):
    """What a trigger's query answers; `measured` says how many seconds ago signals were written down."""

    def answer(name, trigger):
        [query] = [
            each["metadata"]["query"]
            for each in of_kind("ScaledObject")[name]["spec"]["triggers"]
            if each["name"] == trigger
        ]
        with database.connection() as connection:
            [[value]] = connection.execute(query.encode()).fetchall()
        return value

    return answer


@pytest.fixture
def measured(database):
    """Signals written down so many seconds ago: depth, oldest age and inflow of each group and lane."""

    def write(looks):
        with database.transaction() as tx:
            for seconds_ago, lanes in looks.items():
                for (group, lane), (depth, oldest_s, inflow) in lanes.items():
                    tx.execute(
                        "INSERT INTO signal (at, step_group, lane, depth, oldest_s, inflow, drain)"
                        " VALUES (now() - make_interval(secs => %s), %s, %s, %s, %s, %s, 0)",
                        [seconds_ago, group, lane, depth, oldest_s, inflow],
                    )

    return write


def test_only_documented_fields_are_used(of_kind):
    documents = {**of_kind("ScaledObject"), **of_kind("TriggerAuthentication")}
    assert set(documents) == {"worker", "p0worker", "signals"}
    for document in documents.values():
        jsonschema.validate(document, SCHEMA)


def renamed(tree):
    """The tree once for each of its fields, with that field's name misspelt."""
    if isinstance(tree, list):
        for place, item in enumerate(tree):
            for name, other in renamed(item):
                yield name, [*tree[:place], other, *tree[place + 1 :]]
    if isinstance(tree, dict):
        for name, item in tree.items():
            yield name, {f"{key}s" if key == name else key: value for key, value in tree.items()}
            for below, other in renamed(item):
                yield f"{name}.{below}", {**tree, name: other}


def objects(schema):
    """Every schema of an object, wherever it stands."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    if isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_the_schema_is_strict():
    assert len(list(objects(SCHEMA))) > 8
    assert [each for each in objects(SCHEMA) if each.get("additionalProperties") is not False] == []


def test_no_field_may_be_misspelt(of_kind):
    documents = {**of_kind("ScaledObject"), **of_kind("TriggerAuthentication")}
    broken = [(name, other) for document in documents.values() for name, other in renamed(document)]
    assert len(broken) > 100
    validator = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
    assert [name for name, other in broken if validator.is_valid(other)] == []


@pytest.mark.parametrize("harm", ["maxReplicas", "targetQueryValue", "metricType"])
def test_a_mistake_is_seen(of_kind, harm):
    document = copy.deepcopy(of_kind("ScaledObject")["worker"])
    trigger = document["spec"]["triggers"][0]
    if harm == "maxReplicas":
        document["spec"]["maxReplicas"] = 3
    elif harm == "targetQueryValue":
        trigger["metadata"]["targetQueryValue"] = 2000
    else:
        trigger["metricType"] = "Utilization"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_references_lead_somewhere(of_kind):
    for scaled in of_kind("ScaledObject").values():
        assert scaled["spec"]["scaleTargetRef"]["name"] in of_kind("Deployment")
        triggers = scaled["spec"]["triggers"]
        assert {each["authenticationRef"]["name"] for each in triggers} <= set(of_kind("TriggerAuthentication"))
        assert len({each["name"] for each in triggers}) == len(triggers)


def test_the_newest_signals_answer(measured, ask):
    measured({EARLIER: BEFORE, NEWEST: NOW})
    assert ask("worker", "depth") == 743
    assert ask("worker", "oldest-age") == 33.0
    assert ask("worker", "inflow-per-minute") == pytest.approx(1000.0)
    assert ask("p0worker", "depth") == 3
    assert ask("p0worker", "oldest-age") == 1.5


def test_old_signals_answer_nothing_so_that_the_pods_stay(measured, ask):
    """KEDA cannot read a NULL as a number, and leaves everything as it is."""
    measured({EARLIER: NOW})
    answers = [ask("worker", name) for name in ("depth", "oldest-age", "inflow-per-minute")]
    assert [*answers, ask("p0worker", "depth"), ask("p0worker", "oldest-age")] == [None] * 5


def test_a_house_that_has_just_started_has_no_inflow_yet(measured, ask):
    measured({NEWEST: NOW})
    assert ask("worker", "inflow-per-minute") == 0.0
