"""The map of the steps as text and as a drawing, made from what the files of the steps declare."""

from collections.abc import Iterable, Iterator
from typing import Any

from domain.steps import Step, Steps
from infra.engine.actor import StepActor

Declared = Iterable[StepActor[Any]]


def text_of(declared: Declared) -> str:
    """One paragraph a step, in the order of the chain: where it stands, what it works on, what may follow."""
    return "\n\n".join("\n".join(_paragraph(actor)) for actor in _in_order(declared))


def _paragraph(actor: StepActor[Any]) -> Iterator[str]:
    step = actor.step
    yield f"{step.name}: {step.does}"
    yield f"  file       {file_of(actor)}, actor {actor.name}"
    yield f"  works on   {step.subject}, {'by calls to the outside' if step.is_remote else 'in the database only'}"
    yield f"  in states  {', '.join(sorted(step.works_in)) or 'any'}"
    yield f"  leads to   {', '.join(step.leads_to) or 'nothing'}"
    if step.then:
        yield f"  then acts  {', '.join(step.then)}, with work of its own"
    if step.resumes:
        yield f"  resumes    {', '.join(sorted(step.resumes))}"
    if holds := _holds(step):
        yield f"  may hold   {', '.join(holds)}"
    yield f"  group      {step.worker_group}"


def mermaid_of(declared: Declared) -> str:
    """The same as a drawing in the language of Mermaid. Steps that call the outside have a double border."""
    actors = _in_order(declared)
    lines = ["flowchart TD"]
    for actor in actors:
        opened, closed = ("[[", "]]") if actor.step.is_remote else ("[", "]")
        label = f"{file_of(actor)} {actor.name}<br>{actor.step.does}"
        lines.append(f'    {actor.step.name}{opened}"{label}"{closed}')
    lines += [f"    {actor.step.name} --> {follower}" for actor in actors for follower in actor.step.leads_to]
    lines += [f"    {actor.step.name} -.-> {follower}" for actor in actors for follower in actor.step.then]
    lines += [f'    {actor.step.name} -.-> {hold}["hold {hold}"]' for actor in actors for hold in _holds(actor.step)]
    return "\n".join(lines)


def file_of(actor: StepActor[Any]) -> str:
    """The file that declares a step, from the root of the project."""
    return f"{actor.module.replace('.', '/')}.py"


def _in_order(declared: Declared) -> list[StepActor[Any]]:
    by_name = {actor.step.name: actor for actor in declared}
    return [by_name[name] for name in Steps(actor.step for actor in by_name.values())]


def _holds(step: Step) -> list[str]:
    codes = (step.refused_hold, step.conflict_hold, step.misconfigured_hold)
    return sorted({str(code) for code in codes if code is not None})
