"""Whether the gateway may be switched off, whether it begins anything new, and what it has to do without."""

from dataclasses import dataclass

from flashers.api import Stamp


@dataclass(frozen=True, slots=True)
class PowerOff:
    """The answer to "May I pull the plug?".

    A node is exposed while it has no firmware that runs.  One with two slots never
    is: cut its power, or ours, and it runs what it ran before.
    """

    ok: bool = True
    why: str = "No node is exposed."
    exposed: tuple[str, ...] = ()
    seconds_left: float | None = None
    """Until the last of them has its firmware again, by the bytes left and the speed measured; None if
    nothing is left, or if nothing was measured yet."""


SAFE = PowerOff()


@dataclass(frozen=True, slots=True)
class Draining:
    """Nothing new is begun: since when, who said so, and for how much longer."""

    since: Stamp
    by: str
    left_s: float | None = None
    """Seconds until it ends by itself, in which the gateway runs; None until it is undone."""
