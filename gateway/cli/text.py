"""Values as a person reads them: ages instead of times, short digests, versions first.

Everything comes as JSON gives it, from the local API.
"""

import time
from typing import Any

DIGEST_DIGITS = 12
"""Hexadecimal digits shown of a digest; enough to compare by eye."""

_AGES = ((60, "s", 1), (3600, "min", 60), (48 * 3600, "h", 3600), (float("inf"), "d", 86_400))

STYLES = {
    "ok": "green",
    "succeeded": "green",
    "already-there": "green",
    "done": "green",
    "connected": "green",
    "flashed": "yellow",
    "rolled-back": "yellow",
    "waiting": "yellow",
    "updating": "cyan",
    "open": "cyan",
    "paused": "yellow",
    "stopped": "red",
    "failed": "red",
    "refused": "red",
    "broken": "red",
    "wounded": "bold red",
    "quarantined": "bold red",
    "silent": "red",
    "disconnected": "red",
    "changed-by-others": "magenta",
    "identity-changed": "bold red",
    "seen": "green",
    "changed": "magenta",
    "left-out": "yellow",
    "unknown": "dim",
    "cancelled": "dim",
    "superseded": "dim",
    "not-reached": "dim",
}
"""Colours of states and outcomes."""


def seconds_ago(stamp: dict[str, Any] | None, now: float | None = None) -> float | None:
    """How long ago, as a number; None for never."""
    if stamp is None:
        return None
    stamped: float = stamp["unix_ms"] / 1000
    return max(0.0, (time.time() if now is None else now) - stamped)


def age(stamp: dict[str, Any] | None, now: float | None = None) -> str:
    """How long ago; ``~`` before what a clock said that was not synchronised, ``-`` for never."""
    seconds = seconds_ago(stamp, now)
    if stamp is None or seconds is None:
        return "-"
    for below, unit, size in _AGES:
        if seconds < below:
            return f"{'' if stamp['synchronised'] else '~'}{int(seconds // size)} {unit}"
    raise AssertionError("every age is below infinity")


def ago(stamp: dict[str, Any] | None, now: float | None = None) -> str:
    """The same as a phrase, for what is claimed of a node."""
    if stamp is None:
        return "never"
    said = f"{age(stamp, now).removeprefix('~')} ago"
    return said if stamp["synchronised"] else f"{said} (clock not synchronised)"


def moment(stamp: dict[str, Any] | None) -> str:
    """The time itself, in this machine's zone; ``~`` and ``-`` as for :func:`age`."""
    if stamp is None:
        return "-"
    told = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp["unix_ms"] / 1000))
    return told if stamp["synchronised"] else f"~{told}"


def digest(value: dict[str, str] | None) -> str:
    """The first digits; the algorithm only where it is not the usual one."""
    if value is None:
        return "-"
    short = value["value"][:DIGEST_DIGITS]
    return short if value["algorithm"] == "sha256" else f"{value['algorithm']}:{short}"


def firmware(value: dict[str, Any] | None) -> str:
    """The version if it is known, else the digest."""
    if value is None:
        return "?"
    return value["version"] or digest(value["identity"])


def firmware_in_full(value: dict[str, Any] | None) -> str:
    """Version and digest."""
    if value is None:
        return "not known"
    parts = [value["version"] or "version not known"]
    if value["identity"] is not None:
        parts.append(f"({digest(value['identity'])})")
    return " ".join(parts)


def by_component(values: dict[str, Any]) -> str:
    """Firmware by component; the component's name only where there are several."""
    if len(values) == 1:
        return firmware(next(iter(values.values())))
    return ", ".join(f"{name} {firmware(value)}" for name, value in values.items()) or "?"


def size(count: int) -> str:
    """Bytes as KiB and MiB; they are what flashes are measured in."""
    if count < 1024:
        return f"{count} B"
    kib = count / 1024
    if kib < 1024:
        return f"{kib:.1f} KiB"
    return f"{kib / 1024:.1f} MiB" if kib < 1 << 20 else f"{kib / (1 << 20):.1f} GiB"


def counts(values: dict[str, int]) -> str:
    """How many of what: ``3 succeeded, 1 rolled-back``."""
    return ", ".join(f"{count} {name}" for name, count in values.items()) or "-"


def seconds(value: float) -> str:
    """A duration, as exact as it is interesting."""
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.0f} min"


def evidence(pieces: list[dict[str, Any]]) -> str:
    """How something is known: ``transfer: readback, boot: version``."""
    seen = dict.fromkeys(f"{piece['of']}: {piece['kind']}" for piece in pieces)
    return ", ".join(seen) or "none"
