from dataclasses import replace

import msgspec
import pytest

from domain.errors import Misconfigured
from domain.groups import groups_of
from domain.order import Lane
from domain.scaling import GrowThreshold, PoolSize, ScalingRules
from infra.config.worker_settings import Scaling, WorkerPool, Workers
from infra.process.steps import STEPS

GROUPS = groups_of(STEPS.map())

ALL = tuple(GROUPS)
P0 = (Lane.P0,)


def shape(workers):
    return [(pool.name, pool.lanes, pool.groups, pool.size) for pool in workers.all_pools()]


def test_without_configuration_some_serve_everything_and_some_p0_alone() -> None:
    assert shape(Workers(processes=3, p0_processes=1)) == [
        ("worker", tuple(Lane), ALL, PoolSize(3, 3)),
        ("p0", P0, ALL, PoolSize(1, 1)),
    ]


def test_with_pools_one_is_reserved_for_p0_unless_one_is_that_already() -> None:
    main = WorkerPool(name="main", processes=1, processes_max=4)
    assert shape(Workers(pools=(main,)))[1:] == [("p0", P0, ALL, PoolSize(1, 1))]
    urgent = WorkerPool(name="urgent", lanes=P0, processes=2)
    assert [pool.name for pool in Workers(pools=(main, urgent)).all_pools()] == ["main", "urgent"]


def test_without_a_maximum_a_pool_keeps_its_size() -> None:
    assert WorkerPool(name="a", processes=2).size == PoolSize(2, 2)
    assert Workers(pools=(WorkerPool(name="a", processes=2, processes_max=5),)).processes_at_most() == 6


def test_while_every_pool_serves_all_groups_there_is_one_queue() -> None:
    assert set(Workers(p0_processes=1).queues().values()) == {"work"}


def test_a_pool_that_leaves_a_group_out_parts_the_queues() -> None:
    pools = (WorkerPool(name="rest", groups=("order", "tell", "pull")), WorkerPool(name="labels", groups=("label",)))
    queues = Workers(pools=pools).queues()
    assert queues["label"] == "work-label"
    assert queues["route"] == queues["warehouse"] == "work-order"
    assert set(queues) == set(STEPS)


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        ({"pools": [{"name": "a"}, {"name": "a"}]}, "two pools have one name"),
        ({"pools": [{"name": "a", "groups": ["nothing"]}]}, "no known group: nothing"),
        ({"pools": [{"name": "a", "threads": 0}]}, "pool a needs"),
        ({"pools": [{"name": "a", "lanes": []}]}, "pool a needs"),
        ({"pools": [{"name": "a", "nice": -1}]}, "pool a needs"),
        ({"pools": [{"name": "a", "nice": 20}]}, "pool a needs"),
        ({"pools": [{"name": "a", "processes": 3, "processes_max": 2}]}, "maximum below"),
        ({"pools": [{"name": "a", "lanes": ["p0", "p1"]}]}, "no pool serves label in bulk"),
        ({"groups": {"all": ["weigh"]}}, "names no known step: weigh"),
        ({"groups": {"a": ["label"], "b": ["label"]}}, "label is in a and in b"),
    ],
)
def test_pools_that_do_not_fit_together_are_refused(tree, word) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(tree, Workers)


def test_groups_may_be_drawn_otherwise() -> None:
    groups = {"inside": [step for step in STEPS if step not in {"label", "pull"}], "outside": ["label", "pull"]}
    workers = msgspec.convert({"groups": groups}, Workers)
    assert workers.all_pools()[0].groups == ("inside", "outside")


def test_a_pool_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(Misconfigured, match="no pool labels; known are: worker, p0"):
        Workers().pool("labels")


def test_the_settings_of_scaling_become_rules_in_seconds() -> None:
    windows = ScalingRules(window_s=60.0, surge_window_s=10.0, slack_s=15.0, lull_s=30.0)
    assert Scaling().rules() == windows
    quick = replace(windows, calm_s=6.0, gap_s=2.0, window_s=1.0, slack_s=1.5)
    assert Scaling(window_s=1, every_s=0.5, calm_min=0.1).rules() == quick
    assert GrowThreshold(100, 300) in Scaling().rules().thresholds


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        ({"every_s": 0}, "every_s must be above 0"),
        ({"every_s": -5}, "every_s must be above 0"),
        ({"every_s": 901}, "window_s must be above 0 and, with scaling.every_s, at most 900"),
        ({"window_s": 0}, "scaling.window_s"),
        ({"window_s": 900}, "scaling.window_s"),
        ({"surge_window_s": 0}, "scaling.surge_window_s"),
        ({"surge_window_s": 900}, "scaling.surge_window_s"),
        ({"lull_s": -1}, "scaling.lull_s"),
        ({"pause_s": -1}, "scaling.pause_s"),
        ({"calm_min": -1}, "scaling.calm_min"),
    ],
)
def test_times_that_no_rate_could_come_of_are_refused(tree, word) -> None:
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(tree, Scaling)
