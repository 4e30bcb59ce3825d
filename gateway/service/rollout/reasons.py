"""The gates of a rollout in words: what is waited for, with its figure, and what can be done."""

import time
from collections.abc import Collection

from flashers.api import Reason, Stamp
from gateway.model.records import Record
from gateway.model.rollout import Mark, Pause, ReleaseMark, Stop
from gateway.service.rollout.waves import Lane

STAGED = frozenset({"staged", "clock-not-synchronised"})
"""The codes of nodes that have their image, and are not started yet."""


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


def staged(count: tuple[int, int], opens: str, left_s: float | None, deployment: str | None) -> Reason:
    """It has its image, and is to be started later."""
    have, of = count
    then = "starts when somebody says so" if left_s is None else f"starts {opens}, in {_span(left_s)}"
    return Reason("staged", f"Staged on {have} of {of} nodes; {then}.", _start(deployment))


def no_clock(count: tuple[int, int], deployment: str | None) -> Reason:
    """It is to be started by a clock that nobody vouches for."""
    have, of = count
    text = f"Staged on {have} of {of} nodes; the gateway's clock is not synchronised, so no window opens."
    return Reason("clock-not-synchronised", text, f"Have the clock set by the network.  {_start(deployment)}")


def _start(deployment: str | None) -> str:
    return (
        f"`tender deployment activate {deployment}` starts them now; "
        f"`tender cancel {deployment}` leaves them with what they run."
    )


def _span(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2 * 1440 else f"{round(minutes / 1440)} d"


def _since(stamp: Stamp | None) -> str:
    if stamp is None:
        return ""
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(stamp.unix_ms / 1000))
    return f" since {'' if stamp.synchronised else '~'}{told}"


def _why(why: str) -> str:
    return f": {why}" if why else ""
