"""A drill with a warehouse of every kind: each ships what it was told, once, and the ledgers of all sides agree."""

from dataclasses import replace
from typing import Any

from domain.ledger_check import Verdict
from drills.checkers import check_all
from drills.course import Moment, hurt, look, script
from drills.drill import Plan, Trial
from drills.harms import empty_redis, kill
from drills.queries import DRILLS
from workers.demo.run import RunningDemo, conclude, running
from workers.demo.warehouses import EVERY

ORDERS, ORDERS_QUICK = 400, 60
# Answers of each warehouse that are lost, and calls that never arrive, each time.
_UNHEARD = 2
_DONE_LEAST = 0.7


def every_kind(plan: Plan) -> Trial:
    """Orders go to a warehouse of each kind, and to people, while answers are lost, workers die and Redis is emptied.

    Control: a parcel that leaves a warehouse without a document is seen.
    """
    trial = Trial(control="a parcel leaves a warehouse that was not told of it: the ledgers disagree")
    orders = ORDERS_QUICK if plan.is_quick else ORDERS
    played = replace(script(plan, orders), locations=EVERY.locations, floors=EVERY.floors, follows=True)
    with running(plan.base, played) as demo:
        trial.check("all ended", hurt(demo, _moments(), trial), dict(look(demo).states))
        verdicts = conclude(demo, 0.0).comparison.verdicts
        trial.check("most are done", verdicts.get(Verdict.DONE, 0) >= _DONE_LEAST * orders, dict(verdicts))
        check_all(demo, trial)
        _check_kinds(demo, trial)
        trial.harm_shown = _leaves_untold(demo)
    return trial


def _moments() -> list[Moment]:
    return [
        (0.0, "answers lost, calls dropped", _lose),
        (0.1, "worker killed", kill("worker")),
        (0.25, "FLUSHALL", empty_redis),
        (0.4, "answers lost, calls dropped", _lose),
        (0.5, "worker killed", kill("worker")),
        (0.6, "sweeper killed", kill("sweeper")),
    ]


def _lose(demo: RunningDemo) -> None:
    for location in _told():
        demo.stage.pull("set_warehouse", location=location, lose_answers=_UNHEARD, drop_calls=_UNHEARD)


def _told() -> list[str]:
    return [name for name, floor in EVERY.floors.items() if floor.learns_from == "orders"]


def _check_kinds(demo: RunningDemo, trial: Trial) -> None:
    """Every warehouse took part as its kind does, and none shipped what it was not told."""
    ledger = demo.stage.read("_ledger")
    left: dict[str, set[str]] = {name: set() for name in EVERY.floors}
    for row in ledger["waybills"]:
        if row["is_collected"]:
            left[row["location"]].add(row["number"])
    trial.check(
        "parcels left every location", all(left.values()), {name: len(numbers) for name, numbers in left.items()}
    )
    trial.check("nothing left untold", not ledger["untold"], ledger["untold"])
    trial.check("no document twice", not ledger["doubled_documents"], ledger["doubled_documents"])
    documents = ledger["documents"]
    refused = [one for one in documents if one["state"] == "refused"]
    trial.check("one refused", bool(refused), len(refused))
    split = [one for one in documents if len(one["waybills"]) > 1]
    trial.check("one left in several parcels", bool(split), len(split))
    own = _handed_over_by_people(demo)
    people = {number for name, floor in EVERY.floors.items() if floor.learns_from == "people" for number in left[name]}
    trial.check("people handed over what left, and nothing else", own == people, len(people))


def _handed_over_by_people(demo: RunningDemo) -> set[str]:
    own = [one.name for one in demo.settings.locations if one.is_own]
    with demo.db.connection() as session:
        rows: list[Any] = session.execute(DRILLS["handed_over_at"], {"locations": own}).fetchall()
    return {row[0] for row in rows}


def _leaves_untold(demo: RunningDemo) -> bool:
    """Whether the comparison sees a parcel that leaves a warehouse without a document."""
    waybill = next(
        (row for row in demo.stage.read("_ledger")["waybills"] if row["is_alive"] and row["location"] in _told()), None
    )
    if waybill is None:
        return False
    stray = demo.stage.pull("plant_waybill", reference=waybill["reference"])["number"]
    demo.stage.pull("collect", numbers=[stray])
    contradictions = conclude(demo, 0.0).comparison.contradictions
    return any(stray in one for one in contradictions)
