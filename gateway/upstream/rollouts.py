"""How deployments stand, as upstream is told in the status and in answers."""

from collections.abc import Mapping

from pydantic import Field

from gateway.model.rollout import Pause, ReleaseMark, Stop, WaveView
from gateway.model.views import DeploymentView
from gateway.upstream.outgoing import Detail, Moment, Outgoing, Text

NODES_MAX = 20
"""Deployments in the status, and names in one list of a deployment."""


class PauseState(Outgoing):
    """Nothing new is begun."""

    everything: bool = Field(description="Whether it holds everything, or one deployment.")
    by: Detail = Field(description="Who asked for it.")
    why: Text = Field(default="", description="Why, as they said.")
    since: Moment | None = Field(default=None, description="Since when.")

    @classmethod
    def of(cls, pause: Pause | None) -> "PauseState | None":
        """A pause for upstream."""
        if pause is None:
            return None
        everything = pause.deployment is None
        return cls(everything=everything, by=pause.by, why=pause.why, since=Moment.of(pause.since))


class StopState(Outgoing):
    """A rollout stopped by itself; it goes on when it is resumed."""

    code: str = Field(description="`not-proved`, `nothing-proved`, `in-a-row` or `share`.")
    message: Text = Field(description="By which nodes, with figures.")
    profile: str = Field(description="The node type.")
    nodes: tuple[str, ...] = Field(description="The nodes that did not succeed; at most 20.")
    since: Moment | None = Field(default=None, description="Since when.")

    @classmethod
    def of(cls, stop: Stop | None) -> "StopState | None":
        """A stop for upstream."""
        if stop is None:
            return None
        return cls(
            code=stop.code,
            message=stop.message,
            profile=stop.profile,
            nodes=stop.nodes[:NODES_MAX],
            since=Moment.of(stop.since),
        )


class MarkState(Outgoing):
    """A release is held or recalled."""

    mark: str = Field(description="`held` or `recalled`.")
    by: Detail = Field(description="Who said so.")
    why: Text = Field(default="", description="Why, as they said.")
    since: Moment | None = Field(default=None, description="Since when.")

    @classmethod
    def of(cls, mark: ReleaseMark | None) -> "MarkState | None":
        """A mark for upstream."""
        if mark is None:
            return None
        return cls(mark=mark.mark.value, by=mark.by, why=mark.why, since=Moment.of(mark.since))


class WaveState(Outgoing):
    """How far the nodes of one type are."""

    profile: str = Field(description="The node type.")
    wave: int = Field(description="From 1; the last one is repeated until all nodes had their turn.")
    waves: int = Field(description="How many there are.")
    size: int = Field(description="Nodes at a time in this wave.")
    proved: int = Field(description="Nodes that run the target, proved and soaked.")
    already_there: int = Field(description="Nodes that ran it before; they prove nothing.")
    not_successes: tuple[str, ...] = Field(description="Nodes that did not succeed; at most 20.")
    under_way: tuple[str, ...] = Field(description="Nodes under way now; at most 20.")
    waiting: int = Field(description="Nodes that wait for their turn.")

    @classmethod
    def of(cls, view: WaveView) -> "WaveState":
        """A wave for upstream."""
        return cls(
            profile=view.profile,
            wave=view.wave,
            waves=view.waves,
            size=view.size,
            proved=len(view.proved),
            already_there=view.already_there,
            not_successes=view.not_successes[:NODES_MAX],
            under_way=view.under_way[:NODES_MAX],
            waiting=view.waiting,
        )


class DeploymentState(Outgoing):
    """A deployment and how far it is."""

    id: str = Field(description="The deployment's id.")
    product: str = Field(description="The release's product.")
    version: str = Field(description="The release's version.")
    state: str = Field(
        description="`open`, `paused` (or its release is held), `stopped` (by itself) or `done`."
    )
    nodes: int = Field(description="How many nodes it is for.")
    waiting: int = Field(description="How many of them have not begun.")
    finishing: tuple[str, ...] = Field(
        description="Nodes that are under way; those that are touched are brought to their end whatever is "
        "asked; at most 20."
    )
    outcomes: Mapping[str, int] = Field(description="How many nodes ended how.")
    all_at_once: bool = Field(description="Asked for: no waves, and nothing stops it by itself.")
    no_rollback: str = Field(description="`refuse`, `canary-only` or `allow`.")
    beyond_budget: bool = Field(description="Asked for: nodes that had their share are updated as well.")
    activate: str = Field(
        description="When nodes that have their image are started: `at-once`, `held`, a window as "
        "`02:00-05:00`, or a moment."
    )
    staged: tuple[str, ...] = Field(
        description="Nodes that have their image and wait to be started; at most 20."
    )
    starts: Text = Field(default="", description="What those wait for, with its figure; empty if none does.")
    waves: tuple[WaveState, ...] = Field(
        description="By node type; at most 20, and none where all go at once."
    )
    paused: PauseState | None = Field(default=None, description="The pause that holds it; else absent.")
    stopped: StopState | None = Field(default=None, description="Why it stopped by itself; else absent.")
    release_mark: MarkState | None = Field(
        default=None, description="What was said of its release; else absent."
    )

    @classmethod
    def of(cls, view: DeploymentView) -> "DeploymentState":
        """A deployment for upstream."""
        rollout = view.rollout
        return cls(
            id=view.id,
            product=view.product,
            version=view.version,
            state=view.state,
            nodes=len(view.nodes),
            waiting=rollout.waiting,
            finishing=rollout.finishing[:NODES_MAX],
            outcomes=view.outcomes,
            all_at_once=rollout.all_at_once,
            no_rollback=rollout.no_rollback,
            beyond_budget=rollout.beyond_budget,
            activate=rollout.activate,
            staged=rollout.staged[:NODES_MAX],
            starts=rollout.starts,
            waves=tuple(WaveState.of(wave) for wave in rollout.waves[:NODES_MAX]),
            paused=PauseState.of(rollout.paused),
            stopped=StopState.of(rollout.stopped),
            release_mark=MarkState.of(rollout.release_mark),
        )

    def lasting(self) -> dict[str, object]:
        """What is worth a message of its own: its state and which waves it is in, not each node's turn."""
        turns = {"nodes", "waiting", "finishing", "outcomes", "staged", "starts"}
        of_waves = {"__all__": {"proved", "already_there", "under_way", "waiting"}}
        return self.model_dump(exclude={**dict.fromkeys(turns, True), "waves": of_waves})
