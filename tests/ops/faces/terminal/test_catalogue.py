"""Every code has words, and words name only facts that are produced."""

import ast
from collections import defaultdict
from itertools import chain
from pathlib import Path

import pytest

from domain import errors
from domain.cases import CaseKind
from domain.dead_letters import NoReplay
from domain.holds import HoldCode
from domain.order_changes import PlannedAct
from domain.own_scans import WhyNot
from domain.retention import Kind
from domain.stops import RungKind, StopCode, StopStatus
from infra.tables.letters import Ending
from ops.faces.terminal.catalogue import ENGLISH
from ops.faces.terminal.words import placeholders
from ops.verbs.packing import Became, PackageAct
from ops.verbs.reconcile import WRITEBACK_DUE, ReconcileOutcome
from ops.verbs.void_packages import VoidRefusal
from ops.verbs.writeback_retry import ANOTHER_WAYBILL, UNEXPECTED, PlatformAnswer
from ops.views.due import NextMover
from ops.views.erasures import InTheWay
from ops.views.gates import GateState
from ops.views.letters import ForeseenTry
from ops.views.order_list import WaitsFor as ListedWaitsFor
from ops.views.ways_out import PointOfNoReturn

KINDS = {
    "why": [*NoReplay, *Ending, WRITEBACK_DUE, ANOTHER_WAYBILL, UNEXPECTED, "at_location"],
    "foreseen": ForeseenTry,
    "waits_for": NextMover,
    "waiting": ListedWaitsFor,
    "gate": GateState,
    "in_the_way": InTheWay,
    "outcome": ReconcileOutcome,
    "said": PlatformAnswer,
    "scanned": [*PackageAct, Became.UNCHANGED, Became.REFUSED, Became.UNANSWERED],
    "why_not": WhyNot,
    "hold": HoldCode,
    "stop_act": PlannedAct,
    "stop_why": StopCode,
    "no_return": PointOfNoReturn,
    "stop_end": [one for one in StopStatus if one is not StopStatus.ASKED],
    "stop_rung": ["", *(one for one in RungKind if one is not RungKind.END)],
    "stop_actor": ["", *(one for one in RungKind if one is not RungKind.END)],
    "case": CaseKind,
    "retention": Kind,
}
ROOMS = (
    "domain/corrected_addresses.py",
    "domain/dead_letters.py",
    "domain/order_changes.py",
    "infra/tables/letters.py",
    "infra/sweeper/bulk_replay.py",
    "ops",
)
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
# Facts that `Words` itself makes of others.
MADE = {"in_the_way"}


@pytest.fixture
def root():
    return Path(__file__).parents[4]


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in KINDS.items() for code in codes])
def test_every_code_has_words(kind, code):
    assert ENGLISH[f"{kind}.{code}"]


def test_no_words_are_left_over():
    of_kinds = {key for key in ENGLISH if key.partition(".")[0] in KINDS}
    wanted = {f"{kind}.{code}" for kind, codes in KINDS.items() for code in codes}
    assert of_kinds - wanted == {
        "in_the_way.not_ended_and_held",
        "waiting.completion_due",
        "waiting.person_of_letter",
        "waiting.step_since",
        "waiting.step_in",
    }


def _functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)] or [tree]


def _literal_names(scope, node):
    """Names in a dict, also of dicts that it unpacks, and of those that are merged into a name."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield key.value
            elif key is None:
                yield from _literal_names(scope, value)
    elif isinstance(node, ast.IfExp):
        yield from chain(_literal_names(scope, node.body), _literal_names(scope, node.orelse))
    elif isinstance(node, ast.Name):
        for each in ast.walk(scope):
            targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
            pairs = [(target, getattr(each, "value", None)) for target in targets]
            pairs += [
                pair
                for target in targets
                if isinstance(target, ast.Tuple) and isinstance(getattr(each, "value", None), ast.Tuple)
                for pair in zip(target.elts, each.value.elts, strict=True)
            ]
            for target, value in pairs:
                if isinstance(target, ast.Name) and target.id == node.id and value is not None:
                    yield from _literal_names(scope, value) if not isinstance(value, ast.Name) else ()


def _codes(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Attribute):
        yield node.attr.lower()
    elif isinstance(node, ast.IfExp):
        yield from chain(_codes(node.body), _codes(node.orelse))


def _modules(place):
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def _facts_of_call(scope, call):
    """The codes that a call of an error, or of a helper that makes one, names, each with the facts that it gives."""
    named = {key.arg for key in call.keywords}
    match call.func.id:
        case "_unreadable":
            yield "file_unreadable", named
        case "_not_open":
            yield from ((code, {"letter", "ending"}) for code in _codes(call.args[0]))
        case "_refusal" | "_some":
            codes = chain.from_iterable(_codes(one) for one in call.args[1:])
            yield from ((code, {"order", "states"} | named) for code in codes)
        case name if name in ERRORS | {"Reason"}:
            given = [key.value for key in call.keywords if key.arg == "facts"] + call.args[1:2]
            facts = {name for each in given for name in _literal_names(scope, each)}
            yield from ((code, facts) for code in _codes(call.args[0]))


def produced(root):
    """The facts of each code, as the sources make them; for a helper's codes, what its callers add."""
    facts = defaultdict(set)
    paths = chain.from_iterable(
        [root / room] if (root / room).is_file() else (root / room).rglob("*.py") for room in ROOMS
    )
    for path in paths:
        for scope in _functions(ast.parse(path.read_text())):
            for call in ast.walk(scope):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
                    for code, given in _facts_of_call(scope, call):
                        facts[code] |= given
    for refusal in VoidRefusal:
        facts[refusal] |= {"order", "package", "waybill", "courier"}
    return facts


def test_words_name_only_facts_that_are_produced(root):
    facts = produced(root)
    enders = {ending.value: ending.name.lower() for ending in Ending}
    for key, template in ENGLISH.items():
        kind, _, rest = key.partition(".")
        code = rest.partition(".")[0]
        if kind in {"why", "foreseen", "refusal"}:
            known = facts[code] | facts[enders.get(code, code)] | MADE
            # A stop that `why_stop` names gets the letter it ended with from the sweeper.
            known |= {"of"} if code in {NoReplay.MEMBERS_DIED_IN_A_ROW, NoReplay.MANY_MEMBERS_DIED} else set()
            known |= {"type"} if code == UNEXPECTED else set()
            assert placeholders(template) <= known, key


def test_a_planted_placeholder_is_missed(root):
    assert not placeholders("{order} was read by {nobody}") <= produced(root)["order_not_normalized"]


def test_every_refusal_of_ops_has_words(root):
    for path in (root / "ops").rglob("*.py"):
        if "doctor" in path.parts:
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in ERRORS:
                continue
            for code in _codes(call.args[0]) if call.args and len(call.args) == 1 else ():
                assert [key for key in ENGLISH if key == f"refusal.{code}" or key.startswith(f"refusal.{code}.")], code
