"""How a rollout stands, as people and upstreams are shown it.

Made from the records of a deployment and from what was asked since; flat values, the
same in the local API, on the command line and upstream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flashers.api import Stamp


class RolloutState(StrEnum):
    """How a deployment stands."""

    OPEN = "open"
    PAUSED = "paused"
    """Somebody asked that nothing new is begun: of it, or of everything."""
    STOPPED = "stopped"
    """It stopped by itself; it goes on when somebody says so."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing new is begun: who asked for it, why, and since when; ``deployment`` None is everything."""

    deployment: str | None
    by: str
    why: str = ""
    since: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """A rollout stopped by itself: by which rule, of which node type, and the nodes that were its reason."""

    code: str
    message: str
    profile: str
    nodes: tuple[str, ...] = ()
    since: Stamp | None = None


class Mark(StrEnum):
    """What was said of a release after it was taken in."""

    HELD = "held"
    """No node is begun with it until that is taken back."""
    RECALLED = "recalled"
    """Never again a target nor a known-good."""


@dataclass(frozen=True, slots=True)
class ReleaseMark:
    """A release that is held or recalled: who said so, why, and since when."""

    release: str
    """``PRODUCT:VERSION``."""
    mark: Mark
    by: str
    why: str = ""
    since: Stamp | None = None
    artifacts: tuple[str, ...] = ()
    """Of a recalled one: the digests of its artifacts, should its manifest be gone one day."""


@dataclass(frozen=True, slots=True)
class WaveView:
    """How far the nodes of one type are: which wave, who proves it now, and who was counted how."""

    profile: str
    wave: int
    """From 1; after the last wave is through it stays there."""
    waves: int
    """How many sizes there are; the last one is repeated until all nodes had their turn."""
    size: int
    """Nodes at a time in this wave."""
    proved: tuple[str, ...] = ()
    """Nodes that run the target, proved and soaked; the release is good on them."""
    already_there: int = 0
    not_successes: tuple[str, ...] = ()
    """Nodes that count against the release, or did before somebody resumed the rollout."""
    under_way: tuple[str, ...] = ()
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class RolloutView:
    """What a deployment's view has beside its release, its nodes and its outcomes."""

    all_at_once: bool = False
    """Asked for: there are no waves, and nothing stops it by itself."""
    no_rollback: str = ""
    beyond_budget: bool = False
    activate: str = ""
    """When nodes that have their image are started: `at-once`, `held`, a window of the day, or a moment."""
    staged: tuple[str, ...] = ()
    """Nodes that have their image and wait to be started."""
    starts: str = ""
    """What those wait for, in a sentence with its figure."""
    waves: tuple[WaveView, ...] = ()
    paused: Pause | None = None
    """The pause that holds it: its own, or that of everything."""
    stopped: Stop | None = None
    release_mark: ReleaseMark | None = None
    finishing: tuple[str, ...] = ()
    """Nodes that are under way now, and are brought to their end whatever is asked."""
    waiting: int = 0
    """Attempts that have not begun."""
    gates: Mapping[str, int] = field(default_factory=dict)
    """What those wait for: how many by the gate's code."""


@dataclass(frozen=True, slots=True)
class ActivateAnswer:
    """Which nodes had their image and waited when somebody said that they are to be started."""

    deployment: str
    nodes: tuple[str, ...] = ()
    still_held: tuple[str, ...] = ()
    """What keeps them all the same, by code: a pause, a hold, a stop."""


@dataclass(frozen=True, slots=True)
class PauseAnswer:
    """How things stand after a pause or a resume."""

    deployment: str | None
    """None is everything."""
    paused: Pause | None
    finishing: tuple[str, ...] = ()
    """Nodes that are still brought to their end."""
    waiting: int = 0
    """Attempts that have not begun."""
    still_held: tuple[str, ...] = ()
    """Why some of them do not begin all the same, in words."""


@dataclass(frozen=True, slots=True)
class RecallAnswer:
    """A release was recalled: the nodes that run it, and what becomes of them."""

    mark: ReleaseMark
    running: tuple[str, ...] = ()
    """Nodes that were last seen to run it."""
    cancelled: tuple[int, ...] = ()
    """Attempts that wanted it, and were ended."""
    going_back: Mapping[str, int] = field(default_factory=dict)
    """The attempt that takes it to its known-good, by node."""
    stranded: tuple[str, ...] = ()
    """Nodes that run it and have nothing to go back to."""


@dataclass(frozen=True, slots=True)
class BudgetView:
    """What a node was asked to bear within the last 30 days, and how much it may be asked."""

    node: str
    attempts: int
    attempts_allowed: int
    erases: int
    erases_allowed: int
    air_seconds: float
    air_seconds_allowed: float
    free_in_s: float | None = None
    """Seconds until a new attempt fits; 0 if it fits now."""
