"""The first line: is anything broken, and did we do it?"""

from collections.abc import Sequence

from gateway.verbs.seeing import Cause, Concern, Level

_NAMED = 3


def level_of(concerns: Sequence[Concern]) -> Level:
    """The worst of them."""
    for level in (Level.BROKEN, Level.WAITS):
        if any(concern.level is level for concern in concerns):
            return level
    return Level.FINE


def headline(concerns: Sequence[Concern]) -> str:
    """One line; what is said of causes is what the records say."""
    broken = [concern for concern in concerns if concern.level is Level.BROKEN]
    waits = sum(1 for concern in concerns if concern.level is Level.WAITS)
    waiting = f"{waits} thing{'s wait' if waits > 1 else ' waits'} for a person." if waits else ""
    if not broken:
        return f"Nothing is broken.  {waiting}".rstrip()
    if len(broken) <= _NAMED:
        said = f"Broken: {'; '.join(_one(concern) for concern in broken)}."
    else:
        said = f"Broken: {len(broken)} things. {_counted(broken)}"
    return f"{said}  {waiting}".rstrip()


def _one(concern: Concern) -> str:
    what = concern.node or concern.subject or concern.code
    match concern.cause:
        case Cause.OURS if concern.attempt is not None:
            return f"{what} (it followed our attempt {concern.attempt})"
        case Cause.OURS:
            return f"{what} (our own doing)"
        case Cause.NOT_OURS:
            return f"{what} (not our doing)"
        case Cause.UNKNOWN:
            return f"{what} (the records do not say why)"


def _counted(broken: Sequence[Concern]) -> str:
    count = {cause: sum(1 for concern in broken if concern.cause is cause) for cause in Cause}
    parts = [
        f" {count[Cause.OURS]} followed something that we did" if count[Cause.OURS] else "",
        f" {count[Cause.NOT_OURS]} did not" if count[Cause.NOT_OURS] else "",
        f" of {count[Cause.UNKNOWN]} the records do not say" if count[Cause.UNKNOWN] else "",
    ]
    return ",".join(part for part in parts if part) + "."
