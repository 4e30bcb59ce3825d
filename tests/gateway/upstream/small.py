"""A gateway small enough to be read: nodes in a dictionary, events in a list, no links.

What it keeps, it keeps as the contracts of Control and Outbox say; nothing is
recorded for a test that a real one would not know.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flashers.api import Digest, Evidence, EvidenceKind, Firmware, Of, Role, RollbackKind, Stamp
from gateway.control import DeployRequest, Progress
from gateway.errors import AttemptUnknown, NodeUnknown, NoKnownGood, ProbeCosts, ReleaseUnknown
from gateway.model.outcomes import Phase
from gateway.model.records import Record, Rules
from gateway.model.views import (
    AttemptDetail,
    AttemptView,
    ComponentView,
    DeploymentView,
    Event,
    EventId,
    Explanation,
    NodeView,
    ReleaseView,
    Status,
)
from gateway.upstream.settings import MqttSettings
from gateway.verbs.links import LinkVerbs
from gateway.verbs.nodes import NodeVerbs
from gateway.verbs.rescue import RescueVerbs
from gateway.verbs.seeing import SeeingVerbs
from gateway.verbs.standing import StandingVerbs
from gateway.verbs.state import StateVerbs
from gateway.verbs.zigbee import ZigbeeVerbs
from tests.gateway.api.airs import Airs
from tests.gateway.api.rollouts import Rollouts

NOW = Stamp(1_790_000_000_000, True)
EPOCH = 7


def quick(url: str, **changes: Any) -> MqttSettings:
    """Settings as in the field, but for patience."""
    patience = {"retry_first": 0.02, "retry_cap": 0.1, "reply_timeout": 5.0, "status_settle": 0.02}
    return MqttSettings(url=url, **{**patience, **changes})


def node_view(name: str, version: str = "1.0.0") -> NodeView:
    """A node that runs a version, proved."""
    component = ComponentView(
        id="app",
        kind="firmware",
        image=0,
        firmware=Firmware(Digest.sha256(version.encode()), version),
        slot=0,
        confirmed=True,
        evidence=(Evidence(Of.BOOT, EvidenceKind.REPORTED_HASH, "image list", NOW),),
        verified_at=NOW,
    )
    return NodeView(
        name=name,
        profile="mcuboot-uart",
        link="uart:/dev/ttyUSB0?baud=115200",
        state="ok",
        role=Role.APP,
        components=(component,),
        labels={"hall": "3"},
        identity="0102",
        identity_strength="hw-id",
        seen_at=NOW,
        known_good={"app": Firmware(Digest.sha256(b"old"), "0.9.0")},
        rollback=RollbackKind.BOOTLOADER,
    )


def attempt_view(number: int, node: str, asked_by: str = "") -> AttemptView:
    """An attempt that was just made."""
    return AttemptView(
        id=number,
        node=node,
        profile="mcuboot-uart",
        deployment=None,
        origin="operator",
        phase=Phase.QUEUED,
        outcome=None,
        code="",
        message="",
        remedy="",
        before={},
        want={},
        after={},
        evidence=(),
        rollback_available=RollbackKind.BOOTLOADER,
        rollback_seen=False,
        rollback_done=RollbackKind.NONE,
        bytes_sent=0,
        seconds=0.0,
        asked_by=asked_by,
    )


class SmallGateway:
    """Control and Outbox in one."""

    roster: NodeVerbs
    seeing: SeeingVerbs
    state: StateVerbs
    zigbee: ZigbeeVerbs
    standing: StandingVerbs
    rescue: RescueVerbs
    links: LinkVerbs

    def __init__(self, name: str = "gw-1", nodes: int = 3) -> None:
        self.name = name
        self.inventory = {f"node-{number}": node_view(f"node-{number}") for number in range(nodes)}
        self.revisions = dict.fromkeys(self.inventory, 1)
        self.published = dict.fromkeys(self.inventory, 0)
        self.gone: set[str] = set()
        self.unsent_events: dict[int, Event] = {}
        self.told: list[Event] = []
        self.progress: dict[str, Progress] = {}
        self.made: list[AttemptView] = []
        self.revision: int | None = None
        self.wanted: tuple[DeployRequest, ...] = ()
        self.cancelled: list[str] = []
        self.busy = asyncio.Event()
        self.busy.set()
        """Cleared, it lets every command wait: a gateway that is at something else."""
        self._sequence = 0
        self.discovery = Airs(name)
        self.rollout = Rollouts({"d": DeploymentView("d", "pump", "2.1.0", 1, "upstream", "open")})
        self._news = asyncio.Event()

    # What happens in it

    def tell(self, kind: str = "attempt.phase", *, node: str | None = None, **data: object) -> Event:
        """Something happened."""
        self._sequence += 1
        event = Event(EventId(self.name, EPOCH, self._sequence), kind, NOW, node=node, data=data)
        self.unsent_events[self._sequence] = event
        self.told.append(event)
        self._news.set()
        return event

    def change(self, name: str, version: str) -> None:
        """A node runs something else now."""
        self.inventory[name] = node_view(name, version)
        self.revisions[name] = self.revisions.get(name, 0) + 1
        self.published.setdefault(name, 0)
        self._news.set()

    # Outbox

    async def unsent(self, limit: int) -> list[Event]:
        return [self.unsent_events[number] for number in sorted(self.unsent_events)[:limit]]

    async def acknowledged(self, sequences: list[int]) -> None:
        for number in sequences:
            del self.unsent_events[number]

    async def changed(self) -> None:
        await self._news.wait()
        self._news.clear()

    async def stale_states(self, limit: int) -> list[tuple[NodeView, int]]:
        stale = [name for name, revision in self.revisions.items() if revision > self.published[name]]
        return [(self.inventory[name], self.revisions[name]) for name in stale[:limit]]

    async def state_published(self, node: str, revision: int) -> None:
        self.published[node] = max(self.published[node], revision)

    async def gone_states(self, limit: int) -> list[str]:
        return sorted(self.gone)[:limit]

    async def state_cleared(self, name: str) -> None:
        self.gone.discard(name)

    async def all_states_stale(self) -> None:
        self.published = dict.fromkeys(self.inventory, 0)

    def take_progress(self) -> list[Progress]:
        taken, self.progress = list(self.progress.values()), {}
        return taken

    # Control

    async def status(self) -> Status:
        return Status(
            gateway=self.name,
            version="0.1.0",
            epoch=EPOCH,
            started=NOW,
            unsigned_allowed=False,
            upstream="connected",
            outbox_depth=len(self.unsent_events),
            oldest_unsent=NOW if self.unsent_events else None,
            nodes=len(self.inventory),
            attempts_open=len(self.made),
            wounded=tuple(name for name, view in self.inventory.items() if view.state == "wounded"),
            quarantined=(),
            exposed=(),
            store_bytes=0,
            desired_revision=self.revision,
        )

    async def nodes(self) -> list[NodeView]:
        return list(self.inventory.values())

    async def node(self, name: str) -> NodeView:
        if name not in self.inventory:
            raise NodeUnknown(f"no node is called {name!r}")
        return self.inventory[name]

    async def probe(self, name: str, *, allow_restart: bool) -> NodeView:
        await self.busy.wait()
        view = await self.node(name)
        if view.profile.startswith("optiboot") and not allow_restart:
            raise ProbeCosts
        self.inventory[name] = replace(view, seen_at=Stamp(NOW.unix_ms + 1000, True))
        self.revisions[name] += 1
        self._news.set()
        return self.inventory[name]

    async def deploy(self, request: DeployRequest) -> DeploymentView:
        raise ReleaseUnknown

    async def desired(self, revision: int, requests: tuple[DeployRequest, ...]) -> None:
        await self.busy.wait()
        if self.revision is not None and revision < self.revision:
            return
        news = {request.id for request in requests} - {request.id for request in self.wanted}
        self.revision, self.wanted = revision, requests
        for name in sorted(news):
            self.tell("deployment.accepted", deployment=name, revision=revision)

    async def deployments(self) -> list[DeploymentView]:
        return []

    async def attempts(self, *, node: str | None = None, open_only: bool = False) -> list[AttemptView]:
        return [view for view in self.made if node in (None, view.node)]

    async def attempt(self, attempt_id: int) -> AttemptDetail:
        for view in self.made:
            if view.id == attempt_id:
                return AttemptDetail(view, Record(view.id, view.node, view.profile, (), Rules()))
        raise AttemptUnknown

    async def rollback(self, node: str, *, asked_by: str) -> AttemptView:
        await self.busy.wait()
        if not (await self.node(node)).known_good:
            raise NoKnownGood
        self.made.append(attempt_view(len(self.made) + 1, node, asked_by))
        self.tell("attempt.phase", node=node, phase="queued")
        return self.made[-1]

    async def cancel(self, target: str, *, asked_by: str) -> list[AttemptView]:
        await self.busy.wait()
        found = [view for view in self.made if target in (str(view.id), view.node)]
        if not found:
            raise AttemptUnknown(f"there is no attempt or deployment {target!r}")
        self.cancelled.append(target)
        return found

    async def explain(self, node: str) -> Explanation:
        return Explanation(await self.node(node), "it is well")

    async def add_release(self, file: Path, *, asked_by: str) -> ReleaseView:
        raise ReleaseUnknown

    async def releases(self) -> list[ReleaseView]:
        return []

    async def add_baseline(
        self, file: Path, *, profile: str, component: str, version: str | None
    ) -> ReleaseView:
        raise ReleaseUnknown

    async def watch(self) -> AsyncIterator[Event | Progress]:
        while True:
            await self._news.wait()
            for event in self.told:
                yield event

    async def command_refused(self, verb: str, code: str, message: str, remedy: str) -> None:
        self.tell("command.refused", verb=verb, code=code, message=message, remedy=remedy)

    # For assertions

    def kinds(self) -> Mapping[str, int]:
        """How often each kind of event was told."""
        return {kind: sum(event.kind == kind for event in self.told) for kind in {e.kind for e in self.told}}
