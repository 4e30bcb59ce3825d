"""The gates of a rollout in words: what is waited for, with its figure, and what can be done."""

import time
from collections.abc import Collection

from flashers.api import Reason, Stamp
from gateway.model.records import Record
from gateway.model.rollout import Mark, Pause, ReleaseMark, Stop
from gateway.service.rollout.waves import Lane


def paused(pause: Pause) -> Reason:
    """Somebody asked that nothing new is begun."""
    what = "Everything is" if pause.deployment is None else f"Deployment {pause.deployment} is"
    command = "tender resume --all" if pause.deployment is None else f"tender resume {pause.deployment}"
    text = f"{what} paused by {pause.by or 'somebody'}{_since(pause.since)}{_why(pause.why)}."
    return Reason("paused", text, f"`{command}` lets it go on.")


def marked(mark: ReleaseMark) -> Reason:
    """The release is held, or recalled."""
    by = f"by {mark.by or 'somebody'}{_since(mark.since)}{_why(mark.why)}"
    if mark.mark is Mark.RECALLED:
        return Reason("release-recalled", f"{mark.release} was recalled {by}.", "Deploy another release.")
    text = f"{mark.release} is held {by}."
    return Reason("release-held", text, f"`tender release unhold {mark.release}` lets it go on.")


def stopped(stop: Stop, deployment: str) -> Reason:
    """The rollout stopped by itself."""
    return Reason(
        "rollout-stopped",
        f"The rollout stopped by itself{_since(stop.since)}: {stop.message}",
        f"Look at {stop.nodes[0] if stop.nodes else 'its nodes'} (`tender explain`); then `tender resume "
        f"{deployment}` goes on all the same, `tender cancel {deployment}` ends it.",
    )


def wave(lane: Lane, record: Record, busy: Collection[int]) -> Reason:
    """Others go first."""
    index, size, done = lane.wave()
    sizes = len(lane.plan.waves)
    begun = ", ".join(each.node for each in lane.begun(busy)[:5])
    planned, before = lane.planned(record.id, busy)
    if sizes > 1 and index + 1 == sizes:
        now = f"{size} nodes of type {lane.profile} at a time, now {begun}"
    else:
        now = f"{begun} under way, {done} of {size} proved for type {lane.profile}"
    place = "next" if not before else f"after {before} more"
    text = f"Wave {index + 1} of {sizes}: {now}.  This node comes {place}, in wave {planned}."
    soak = record.rules.soak + record.rules.soak_after
    proof = f"proved, after a soak of {soak:g} s" if soak else "proved"
    return Reason("wave", text, f"It goes on by itself when they are {proof}; --all-at-once has no waves.")


def _since(stamp: Stamp | None) -> str:
    if stamp is None:
        return ""
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(stamp.unix_ms / 1000))
    return f" since {'' if stamp.synchronised else '~'}{told}"


def _why(why: str) -> str:
    return f": {why}" if why else ""
