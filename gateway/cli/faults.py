"""Faults of a virtual node as they are given on the command line, sorted by whom they befall."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.cli.parsing import UsageError
from gateway.config.nearest import nearest
from transports.virtual.faults import FaultKind, FaultPlan

POWER: Mapping[str, str] = {
    "power-cut": "power fails just before the Nth flash operation, for 1 s or as said (power-cut@40=5)",
    "torn-write": "power fails in the middle of the Nth flash operation (torn-write@40)",
}
"""Faults of every virtual node, whatever its flasher."""

LINK: Mapping[str, str] = {
    "drop": "bytes never arrive (drop@1000:3)",
    "corrupt": "a bit of a byte is flipped (corrupt@500)",
    "duplicate": "bytes arrive twice (duplicate@20:4)",
    "delay": "what follows comes later (delay@64=0.5)",
    "cut-link": "the link is cut; reopening heals it (cut-link@4096)",
    "noise": "each byte may have a bit flipped (noise=0.001)",
    "loss": "each chunk may be lost (loss=0.05)",
}
"""Faults of the line, on the way to the node or, with ``;dir=up``, from it."""

_POWER_FORM = re.compile(r"(power-cut|torn-write)@(\d{1,9})(?:=(\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class PowerCut:
    """Power fails at a flash operation, and comes back after ``off_for`` seconds."""

    operation: int
    torn: bool
    off_for: float


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with the node, its line and its power."""

    node: Mapping[str, str]
    link: FaultPlan
    power: PowerCut | None


def sort_faults(given: Iterable[str], known: Mapping[str, str]) -> Faults:
    """Read the faults; ``known`` are those of this flasher's virtual node.

    Raises:
        UsageError: one is of no kind, or there are two power cuts.
        BadFault: one of the line has not the form that it must have.
    """
    node: dict[str, str] = {}
    link: list[str] = []
    power: list[PowerCut] = []
    for text in given:
        name = re.split(r"[@=;]", text, maxsplit=1)[0]
        if name in known:
            node[name] = text.partition("=")[2]
        elif name in set(FaultKind):
            link.append(text)
        elif name in POWER:
            power.append(_power_cut(text))
        else:
            everything = [*known, *LINK, *POWER]
            close = nearest(name, everything)
            hint = f"Did you mean {close!r}?  " if close else ""
            raise UsageError(f"there is no fault {name!r}", remedy=f"{hint}--list-faults tells all of them.")
    if len(power) > 1:
        raise UsageError("power can be cut once", remedy="Give one power-cut or torn-write.")
    return Faults(node, FaultPlan.parse(",".join(link)), power[0] if power else None)


def _power_cut(text: str) -> PowerCut:
    found = _POWER_FORM.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} names no flash operation", remedy="Write power-cut@40, or power-cut@40=5."
        )
    return PowerCut(int(found[2]), found[1] == "torn-write", float(found[3] or 1.0))
