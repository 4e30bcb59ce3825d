"""A deployment's rollout for people: its waves, who is being finished, and what the others wait for."""

from collections import Counter
from collections.abc import Iterable

from flashers.api import Reason
from gateway.control import DeployRequest
from gateway.model.activation import AT_ONCE
from gateway.model.records import Record
from gateway.model.rollout import Mark, RolloutState, RolloutView
from gateway.service.rollout.reasons import STAGED
from gateway.service.rollout.turns import Turns
from gateway.service.rollout.waves import lanes


def rollout_view(
    request: DeployRequest, records: list[Record], turns: Turns, gates: Iterable[tuple[Reason, ...]]
) -> RolloutView:
    """How a deployment goes, with the gates of each of its attempts that has not begun."""
    plan, concluded = turns.plan(request.policy), turns.concluded(request.id)
    rollout = turns.open.get(request.id)
    found = rollout.lanes() if rollout is not None else lanes(records, plan, concluded.forgiven)
    begun = {record.id for record in records if not record.done and _begun(record, turns)}
    waiting = [record for record in records if not record.done and record.id not in begun]
    gates = list(gates)
    starts = (reason.message for each in gates for reason in each if reason.code in STAGED)
    return RolloutView(
        activate=request.policy.activate or AT_ONCE,
        staged=tuple(sorted({record.node for record in waiting if record.staged})),
        starts=next(starts, ""),
        all_at_once=not plan.waves,
        no_rollback=request.policy.no_rollback or "",
        beyond_budget=request.policy.beyond_budget,
        waves=tuple(found[profile].view(turns.busy) for profile in sorted(found)) if plan.waves else (),
        paused=turns.pause_of(request.id) if rollout is not None else None,
        stopped=concluded.stop if rollout is not None else None,
        release_mark=turns.marks.get(f"{request.product}:{request.version}"),
        finishing=tuple(sorted({record.node for record in records if record.id in begun})),
        waiting=sum(not record.staged for record in waiting),
        gates=dict(Counter(reason.code for each in gates for reason in each)),
    )


def state_of(view: RolloutView, *, is_open: bool) -> str:
    """One word for it."""
    if not is_open:
        return RolloutState.DONE.value
    if view.stopped is not None:
        return RolloutState.STOPPED.value
    held = view.release_mark is not None and view.release_mark.mark is Mark.HELD
    return (RolloutState.PAUSED if view.paused is not None or held else RolloutState.OPEN).value


def _begun(record: Record, turns: Turns) -> bool:
    if record.id in turns.busy or record.recovers is not None:
        return True
    return record.touched and (not record.staged or turns.goes_on(record))
