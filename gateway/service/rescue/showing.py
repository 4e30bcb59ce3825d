"""Steps and ladders as people are shown them, and which one they mean."""

import asyncio
from collections.abc import Sequence

from gateway.model.rescue import Effect, Judgement, Recoverable, StepResult, StepTaken
from gateway.service.rescue.climbs import Climbs
from gateway.service.rescue.errors import NoSuchStep
from gateway.service.rescue.rungs import Rung, counted_as
from gateway.service.rescue.stepping import Stepper
from gateway.verbs.rescue import Action, RungView, StepView

_CUT_SHORT = "The gateway ended in the middle of it; power was given again at its next start."
_EFFECT: dict[Action, Effect] = {"cycle": Effect.POWER, "reset": Effect.RESET}


def chosen(node: str, rungs: Sequence[Rung], action: Action, step: str | None) -> Rung:
    """The step that is named, or the mildest that does it.

    Raises:
        NoSuchStep: there is none, or the named one does something else.
    """
    effect = _EFFECT[action]
    if step is not None:
        named = next((rung for rung in rungs if rung.name == step), None)
        if named is None:
            names = ", ".join(rung.name for rung in rungs) or "no steps at all"
            raise NoSuchStep(f"{node} has no step {step!r}; it has {names}")
        if named.effect is not effect:
            word = "cycle" if named.effect is Effect.POWER else "reset"
            raise NoSuchStep(f"{step} is a step for `tender power {node} {word}`")
        return named
    found = next((rung for rung in rungs if rung.effect is effect), None)
    if found is None:
        what = "cuts its power" if effect is Effect.POWER else "resets it"
        raise NoSuchStep(f"no step in the ladder of {node} {what}")
    return found


def what_next(
    node: str, found: Judgement, climbs: Climbs, look: float | None, *, worn_out: bool
) -> tuple[str, float | None]:
    """What happens next, and in how many seconds; ``look`` is when it is looked at."""
    ascent, rung = climbs.of(node), climbs.next_rung(node)
    if found.by is None and ascent is None:
        return "Nothing has to be done.", None
    if ascent is not None and rung is not None:
        left = climbs.next_in(node)
        if left is None:
            return f"`tender recover {node} --now` takes the step {rung.name}.", None
        return f"The step {rung.name} is taken if it does not answer before.", left
    if worn_out:
        return f"`tender recover {node} --now` looks once more.", None
    text = "It is looked at again."
    if found.by is Recoverable.SITE_VISIT:
        text += "  Somebody has to go there; Tender goes on by itself as soon as it answers."
    return text, look


def rung_view(node: str, rung: Rung, hits: tuple[str, ...], stepper: Stepper, *, tried: bool) -> RungView:
    """A step that could be taken."""
    key, now = counted_as(node, rung.name, rung.circuit), asyncio.get_running_loop().time()
    left, _ = stepper.bounded(node, rung)
    return RungView(
        name=rung.name,
        kind=rung.kind,
        effect=rung.effect.value,
        affects=hits,
        wait=rung.wait,
        left_today=max(0, rung.per_day - stepper.uses.today(key, now)),
        allowed_in=round(left, 1),
        tried=tried,
    )


def step_view(step: StepTaken) -> StepView:
    """A step that was taken."""
    return StepView(
        node=step.node,
        name=step.name,
        kind=step.kind,
        effect=step.effect.value,
        result=step.result.value,
        by=step.by,
        affects=step.affects,
        code=step.code,
        message=_CUT_SHORT if step.result is StepResult.INTERRUPTED else step.message,
        remedy=step.remedy,
        at=step.at,
        seconds=step.seconds,
    )
