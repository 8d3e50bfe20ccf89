from actors import find_actors
from domain.holds import HoldCode
from domain.states import State
from domain.steps import Step, Subject
from infra.engine.actor import actor
from infra.process.steps import STEPS
from ops.faces.terminal.flow import mermaid_of, text_of

WEIGH = Step(
    name="weigh",
    does="put the order on the scales",
    subject=Subject.PACKAGE,
    is_remote=True,
    works_in=frozenset({State.PACKED, State.PAID}),
    resumes=frozenset({State.PACKED}),
    refused_hold=HoldCode.WAYBILL_ERROR,
    conflict_hold=HoldCode.WAYBILL_ERROR,
)


@actor(WEIGH, lambda tools: tools)
def weigh(message, runner):
    runner.run(message)


def test_a_step_is_a_paragraph() -> None:
    assert text_of([weigh]).splitlines() == [
        "weigh: put the order on the scales",
        f"  file       {__name__.replace('.', '/')}.py, actor weigh",
        "  works on   package, by calls to the outside",
        "  in states  packed, paid",
        "  leads to   nothing",
        "  resumes    packed",
        "  may hold   waybill_error",
        "  group      tell",
    ]


def test_a_drawing_has_a_node_a_step_and_a_line_for_each_that_may_follow() -> None:
    drawing = mermaid_of(find_actors()).splitlines()
    assert drawing[0] == "flowchart TD"
    nodes = [line.split("[")[0].strip() for line in drawing if "<br>" in line]
    assert nodes == list(STEPS), "in the order of the chain"
    lines = {tuple(line.split(" --> ")) for line in map(str.strip, drawing) if " --> " in line}
    assert lines == {(name, follower) for name, step in STEPS.items() for follower in step.leads_to}
    assert "    label -.-> warehouse" in drawing, "scans are read at their own pace"
    assert '    weigh -.-> waybill_error["hold waybill_error"]' in mermaid_of([weigh]).splitlines()
