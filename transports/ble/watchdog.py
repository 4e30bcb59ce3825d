"""Whether an adapter still hears and still connects, and what is done about it: bounded, and said.

A scanner can go deaf without a word, and a controller can hang while its daemon goes on
answering.  Both are seen by what does not happen any more.  A scan is begun anew first,
which harms nobody; then the adapter is switched off and on, which ends every link, and so
only while none is open.  As long as that does not help it is done ever more rarely.
"""

from dataclasses import dataclass
from enum import StrEnum

DEAF_S = 60.0
"""Seconds without any advertisement after which a scanner counts as deaf, where some came before."""
RARELY_S = 3600.0
"""The longest pause between two tries to wake a deaf one."""
FRUITLESS = 3
"""Different nodes, each just heard, that could not be connected to one after the other."""


class State(StrEnum):
    """How an adapter is, as far as is known."""

    FINE = "fine"
    DEAF = "deaf"
    """It hears nothing, where it heard several before."""
    HUNG = "hung"
    """It does not answer, or connects to nobody."""
    MISSING = "missing"
    """It is not there."""


class Remedy(StrEnum):
    """What may be done about silence."""

    NONE = "none"
    SCAN = "scan"
    """Begin the scan anew."""
    POWER = "power"
    """Switch the adapter off and on."""


@dataclass(slots=True)
class Watchdog:
    """Judges one adapter by the loop's time, in seconds; does nothing itself."""

    deaf_s: float = DEAF_S
    last_heard: float | None = None
    _since: float = 0.0
    """When the present silence began, or something was last done about it."""
    _tries: int = 0
    _scans_anew: int = 0
    _fruitless: set[str] | None = None
    _allowed: int = FRUITLESS
    _overruns: int = 0

    def listening(self, now: float) -> None:
        """A scan was begun."""
        self._since = max(self._since, now)

    def heard(self, now: float) -> None:
        """Anything at all."""
        self.last_heard = self._since = now
        self._tries = self._scans_anew = 0

    def silent_for(self, now: float) -> float:
        """Seconds of a silence in which it listened, or since something was done about it."""
        return now - self._since

    def due(self, now: float, *, links: int) -> Remedy:
        """What to do now about silence; ``links`` are those that are open."""
        if self.last_heard is None or self.silent_for(now) < self._pause:
            return Remedy.NONE
        if not self._scans_anew or links:
            return Remedy.SCAN
        return Remedy.POWER

    def done(self, remedy: Remedy, now: float) -> None:
        """It was done."""
        self._since = now
        self._scans_anew += remedy is Remedy.SCAN
        self._tries += remedy is Remedy.POWER

    @property
    def deaf(self) -> bool:
        """Whether a scan that was begun anew did not help."""
        return self._tries > 0 or self._scans_anew > 1

    @property
    def _pause(self) -> float:
        return float(min(self.deaf_s * 2**self._tries, max(RARELY_S, self.deaf_s)))

    # Connecting

    def connected(self) -> None:
        """A node was connected to."""
        self._fruitless, self._allowed, self._overruns = None, FRUITLESS, 0

    def fruitless(self, address: str, *, links: int) -> bool:
        """A node that is heard could not be connected to; True if the adapter is to be power-cycled."""
        if links:
            return False  # others are connected, so it is not dead
        self._fruitless = (self._fruitless or set()) | {address}
        if len(self._fruitless) < self._allowed:
            return False
        self._fruitless, self._allowed = None, self._allowed * 2
        return True

    def overran(self, *, links: int) -> bool:
        """A connect did not even end by itself; True if the adapter is to be switched off and on."""
        self._overruns += 1
        if links and self._overruns < 2:
            return False
        self._overruns = 0
        return True
