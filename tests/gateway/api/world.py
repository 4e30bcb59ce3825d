"""A gateway in memory for tests of its doors: it keeps its word, and has no node to flash.

What a deployment comes to on each node is scripted by :attr:`World.ends`; everything
else follows from what was asked.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from flashers.api import Component, Digest, Firmware, Role, RollbackKind, Stamp
from gateway.control import DeployRequest, Progress
from gateway.errors import (
    AttemptUnknown,
    NodeBusy,
    NodeUnknown,
    NoKnownGood,
    NothingSelected,
    ProbeCosts,
    ReleaseUnknown,
)
from gateway.model.outcomes import Outcome, Phase
from gateway.model.records import Part, Record, Rules, Target
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
from gateway.releases.errors import BadBundle
from gateway.verbs.discovery import DiscoveryVerbs
from gateway.verbs.links import LinkVerbs
from gateway.verbs.nodes import NodeVerbs
from gateway.verbs.rescue import RescueVerbs
from gateway.verbs.standing import StandingVerbs
from gateway.verbs.state import StateVerbs
from gateway.verbs.zigbee import ZigbeeVerbs
from tests.gateway.api.rollouts import Rollouts
from tests.gateway.api.seen import Seen

NOW = Stamp(1_790_000_000_000, synchronised=True)
OLD = Firmware(Digest.sha256(b"old"), "1.0.0")
NEW = Firmware(Digest.sha256(b"new"), "2.0.0")


class World:
    """Implements :class:`gateway.control.Control`."""

    discovery: DiscoveryVerbs
    roster: NodeVerbs
    state: StateVerbs
    standing: StandingVerbs
    rescue: RescueVerbs
    links: LinkVerbs
    zigbee: ZigbeeVerbs

    def __init__(self, *names: str, release: str | None = "sensor 2.0.0") -> None:
        self.node_views = {name: _node(name) for name in names}
        self.store = [_release(*release.split())] if release else []
        self.ends: dict[str, Outcome] = {}
        self.hold = asyncio.Event()
        """Attempts begin when this is set."""
        self.hold.set()
        self.attempt_views: dict[int, AttemptView] = {}
        self.deployment_views: dict[str, DeploymentView] = {}
        self.asked: list[str] = []
        self.files: list[bytes] = []
        self.desired_revision = 0
        self.watched = asyncio.Event()
        """Set when somebody begins to look on."""
        self.ended = asyncio.Event()
        """Set when a deployment has ended."""
        self.seeing = Seen(self)
        self.events: list[Event] = []
        self._queues: list[asyncio.Queue[Event | Progress]] = []
        self._sequence = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.rollout = Rollouts(self.deployment_views)

    @property
    def watchers(self) -> int:
        """How many look on."""
        return len(self._queues)

    async def status(self) -> Status:
        open_now = [view for view in self.attempt_views.values() if view.outcome is None]
        return Status(
            gateway="gw-1",
            version="0.1.0",
            epoch=1,
            started=NOW,
            unsigned_allowed=False,
            upstream="none",
            outbox_depth=0,
            oldest_unsent=None,
            nodes=len(self.node_views),
            attempts_open=len(open_now),
            wounded=tuple(name for name, node in self.node_views.items() if node.state == "wounded"),
            quarantined=(),
            exposed=(),
            store_bytes=4096,
        )

    async def nodes(self) -> list[NodeView]:
        return [self.node_views[name] for name in sorted(self.node_views)]

    async def node(self, name: str) -> NodeView:
        if name not in self.node_views:
            raise NodeUnknown(f"there is no node {name!r}")
        return self.node_views[name]

    async def probe(self, name: str, *, allow_restart: bool) -> NodeView:
        view = await self.node(name)
        if view.attempt is not None:
            raise NodeBusy(f"attempt {view.attempt} holds {name}")
        if not allow_restart:
            raise ProbeCosts(f"looking at {name} restarts its application")
        return view

    async def deploy(self, request: DeployRequest) -> DeploymentView:
        self.asked.append(request.asked_by)
        if request.id in self.deployment_views:
            return self.deployment_views[request.id]
        if (request.product, request.version) not in [(each.product, each.version) for each in self.store]:
            raise ReleaseUnknown(f"{request.product} {request.version} is not in the store")
        select = request.select
        names = [
            name
            for name, node in sorted(self.node_views.items())
            if select.all
            or name in select.nodes
            or node.profile in select.profiles
            or (select.labels and select.labels.items() <= node.labels.items())
        ]
        if not names:
            raise NothingSelected
        view = DeploymentView(
            request.id,
            request.product,
            request.version,
            request.revision,
            request.asked_by,
            "open",
            nodes=tuple(names),
            created=NOW,
        )
        self.deployment_views[request.id] = view
        task = asyncio.ensure_future(self._carry_out(view))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return view

    async def desired(self, revision: int, requests: tuple[DeployRequest, ...]) -> None:
        if revision < self.desired_revision:
            return
        self.desired_revision = revision
        for request in requests:
            await self.deploy(request)

    async def deployments(self) -> list[DeploymentView]:
        return list(reversed(self.deployment_views.values()))

    async def attempts(self, *, node: str | None = None, open_only: bool = False) -> list[AttemptView]:
        views = sorted(self.attempt_views.values(), key=lambda view: -view.id)
        return [
            view
            for view in views
            if (node is None or view.node == node) and not (open_only and view.outcome is not None)
        ]

    async def attempt(self, attempt_id: int) -> AttemptDetail:
        if attempt_id not in self.attempt_views:
            raise AttemptUnknown(f"there is no attempt {attempt_id}")
        view = self.attempt_views[attempt_id]
        part = Part(Component(), Target(Digest.sha256(b"file"), NEW, 4096, "raw"), OLD)
        record = Record(attempt_id, view.node, view.profile, (part,), Rules())
        return AttemptDetail(view, record, ("> 30 20", "< 14 10"))

    async def rollback(self, node: str, *, asked_by: str) -> AttemptView:
        view = await self.node(node)
        if not view.known_good:
            raise NoKnownGood(f"{node} has no known-good")
        self.asked.append(asked_by)
        return self._begin(node, None, "operator")

    async def cancel(self, target: str, *, asked_by: str) -> list[AttemptView]:
        self.asked.append(asked_by)
        ended = [
            view
            for view in self.attempt_views.values()
            if view.outcome is None and target in (str(view.id), view.deployment)
        ]
        if not ended:
            raise AttemptUnknown(f"{target!r} is neither an open attempt nor a deployment")
        return [self._end(view, Outcome.CANCELLED) for view in ended]

    async def explain(self, node: str) -> Explanation:
        view = await self.node(node)
        return Explanation(view, f"{node} runs what it should.", (), tuple(await self.attempts(node=node)))

    async def add_release(self, file: Path, *, asked_by: str) -> ReleaseView:
        data = _read(file)
        self.files.append(data)
        self.asked.append(asked_by)
        if not data.startswith(b"release "):
            raise BadBundle("this is no release file")
        view = _release(*data.decode().split()[1:3])
        self.store.append(view)
        return view

    async def releases(self) -> list[ReleaseView]:
        return self.store

    async def add_baseline(
        self, file: Path, *, profile: str, component: str, version: str | None
    ) -> ReleaseView:
        self.files.append(_read(file))
        view = _release(f"baseline-{profile}-{component}", version or "unknown")
        self.store.append(view)
        return view

    async def watch(self) -> AsyncIterator[Event | Progress]:
        queue: asyncio.Queue[Event | Progress] = asyncio.Queue()
        self._queues.append(queue)
        self.watched.set()
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.remove(queue)

    async def command_refused(self, verb: str, code: str, message: str, remedy: str) -> None:
        self.tell("command.refused", verb=verb, code=code, message=message, remedy=remedy)

    def tell(
        self,
        kind: str,
        *,
        node: str | None = None,
        attempt: int | None = None,
        deployment: str | None = None,
        **data: object,
    ) -> None:
        """Something happened."""
        self._sequence += 1
        identity = EventId("gw-1", 1, self._sequence)
        self._say(Event(identity, kind, NOW, node, attempt, deployment, data))

    def _say(self, item: Event | Progress) -> None:
        if isinstance(item, Event):
            self.events.append(item)
        for queue in self._queues:
            queue.put_nowait(item)

    async def _carry_out(self, deployment: DeploymentView) -> None:
        begun = [self._begin(name, deployment.id, "deployment") for name in deployment.nodes]
        await self.hold.wait()
        for view in begun:
            if self.attempt_views[view.id].outcome is not None:
                continue
            self.tell("attempt.phase", node=view.node, attempt=view.id, phase="transferring")
            for done in (1024, 4096):
                self._say(Progress(view.node, view.id, "transferring", done, 4096))
            self._end(view, self.ends.get(view.node, Outcome.SUCCEEDED))
        self.deployment_views[deployment.id] = replace(deployment, state="done")
        self.tell("deployment.done", deployment=deployment.id)
        self.ended.set()

    def _begin(self, node: str, deployment: str | None, origin: str) -> AttemptView:
        number = len(self.attempt_views) + 1
        view = AttemptView(
            id=number,
            node=node,
            profile=self.node_views[node].profile,
            deployment=deployment,
            origin=origin,
            phase=Phase.QUEUED,
            outcome=None,
            code="",
            message="",
            remedy="",
            before={"app": OLD},
            want={"app": NEW},
            after={"app": None},
            evidence=(),
            rollback_available=RollbackKind.REFLASH,
            rollback_seen=False,
            rollback_done=RollbackKind.NONE,
            bytes_sent=0,
            seconds=0.0,
            created=NOW,
        )
        self.attempt_views[number] = view
        self.node_views[node] = replace(self.node_views[node], attempt=number, state="updating")
        return view

    def _end(self, view: AttemptView, outcome: Outcome) -> AttemptView:
        good = outcome is Outcome.SUCCEEDED
        ended = replace(
            view,
            phase=Phase.DONE,
            outcome=outcome,
            code="" if good else "health-failed",
            message="" if good else "the console line did not come",
            remedy="" if good else "Look at the application's log.",
            after={"app": NEW if good else OLD},
            bytes_sent=4096,
            seconds=2.5,
            ended=NOW,
        )
        self.attempt_views[view.id] = ended
        node = self.node_views[view.node]
        self.node_views[view.node] = replace(node, attempt=None, state="ok", last_outcome=outcome)
        self.tell("attempt.done", node=view.node, attempt=view.id, outcome=str(outcome), code=ended.code)
        return ended


def _read(file: Path) -> bytes:
    return file.read_bytes()


def _node(name: str) -> NodeView:
    return NodeView(
        name=name,
        profile="demo-relay",
        link=f"uart:/dev/{name}",
        state="ok",
        role=Role.APP,
        components=(ComponentView("app", "firmware", 0, OLD, verified_at=NOW),),
        labels={"room": name[:1]},
        seen_at=NOW,
        rollback=RollbackKind.REFLASH,
    )


def _release(product: str, version: str) -> ReleaseView:
    artifact: dict[str, str | int] = {
        "profile": "demo-relay",
        "component": "app",
        "format": "ihex",
        "size": 4096,
    }
    return ReleaseView(product, version, "signed by builder", True, (artifact,))
