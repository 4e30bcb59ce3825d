"""What it takes to have a node back, judged from what was tried and what is left."""

from dataclasses import dataclass

from gateway.model.records import Trouble
from gateway.model.rescue import Effect, Judgement, Recoverable
from gateway.service.rescue.rungs import Rung


@dataclass(frozen=True, slots=True)
class Case:
    """A node's plight.  ``left`` is the next step that can help, ``tried`` how many were in vain."""

    wounded: bool = False
    silent: bool = False
    trouble: Trouble | None = None
    left: Rung | None = None
    tried: int = 0
    worn_out: bool = False
    dead_link: bool = False
    """Whether nobody could even ask it."""
    off: bool = False
    """A step of ours left it without power."""
    by_itself: bool = True


def judge(case: Case) -> Judgement:
    """The mildest thing that is left."""
    if case.off:
        return Judgement(
            Recoverable.REMOTE, "A step took its power and could not give it again; Tender goes on trying."
        )
    if not case.silent:
        if not case.wounded:
            return Judgement(None)
        if case.worn_out:
            return Judgement(
                Recoverable.REMOTE,
                "As many recoveries as its profile allows have ended wounded; another release may help.",
            )
        return Judgement(Recoverable.REMOTE, "Nobody has found it silent; it is looked at again and again.")
    why = f"{case.trouble.message.rstrip('.')}" if case.trouble is not None else "It does not answer"
    if case.left is not None:
        who = "" if case.by_itself else " when somebody asks for it"
        if case.left.effect is Effect.RESET:
            return Judgement(
                Recoverable.REMOTE, f"{why}; the step {case.left.name} resets it from here{who}."
            )
        return Judgement(
            Recoverable.POWER_CYCLE,
            f"{why}; its power has to be cut, and the step {case.left.name} does{who}.",
        )
    if case.tried:
        count = "the one step" if case.tried == 1 else f"all {case.tried} steps"
        return Judgement(Recoverable.SITE_VISIT, f"{why}, and {count} of its ladder did not help.")
    if case.dead_link:
        return Judgement(
            Recoverable.SITE_VISIT,
            f"{why}: the way to it is dead (its cable, its adapter, the network), and no step helps.",
        )
    return Judgement(
        Recoverable.SITE_VISIT, f"{why}, and its ladder has no step that could restart it from here."
    )
