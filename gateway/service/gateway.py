"""The gateway's own verbs, as every door calls them; see :class:`gateway.control.Control`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from flashers.api import Reason, Stamp
from gateway.artifacts.files import off_loop
from gateway.control import DeployRequest, Progress
from gateway.errors import AttemptUnknown, NodeUnknown, NoKnownGood
from gateway.journal.book import LOST_BY
from gateway.journal.journal import Told
from gateway.model.outcomes import ACTS_NEXT, CancelReason, Phase
from gateway.model.records import Record
from gateway.model.views import (
    AttemptDetail,
    AttemptView,
    DeploymentView,
    Event,
    Explanation,
    NodeView,
    ReleaseView,
    Status,
)
from gateway.releases.add import add_release
from gateway.releases.release import Release
from gateway.service.deployments import Deployments
from gateway.service.inventory import attempt_view
from gateway.service.links.service import Links
from gateway.service.nodes.keeping import NodeKeeping
from gateway.service.outbox import JournalOutbox
from gateway.service.radio.radio import Radio
from gateway.service.rebuilding.keeping import StateKeeping
from gateway.service.recovery import Recovery
from gateway.service.rescue.rescue import Rescue
from gateway.service.rollout.desk import RolloutDesk
from gateway.service.rollout.turns import EVERYTHING, Turns
from gateway.service.seeing.seeing import Seeing
from gateway.service.site import Site
from gateway.service.standing import Standing
from gateway.service.stock import target_of_file
from gateway.service.supervisor import Supervisor
from gateway.service.watchers import Watchers
from gateway.service.ways_back import way_out
from gateway.service.zigbee.desk import ZigbeeDesk
from gateway.service.zigbee.keeping import NetworkKeeping
from gateway.verbs.nodes import ProbeAll
from transports.errors import TenderError

log = logging.getLogger("tender.gateway")

_IMAGE_BYTES = 64 << 20
_CLOSE_AGAIN_S, _CLOSING_S = 15.0, 3.0
"""Seconds between two tries to tell a deployment's end, and for the last ones when the service stops."""


class Gateway:
    """A running gateway; implements :class:`~gateway.control.Control`."""

    def __init__(self, site: Site, *, first_look_s: float = 5.0) -> None:
        self.site = site
        self.outbox = JournalOutbox(site.journal, site.inventory)
        self.watchers = Watchers()
        self.turns = Turns(site)
        self.supervisor = Supervisor(site, turns=self.turns, progress=self._progressed, ended=self._ended)
        self._deployments = Deployments(site, self.supervisor)
        self.rollout = RolloutDesk(site, self.supervisor, self._deployments)
        self.rescue = self.supervisor.rescue = Rescue(
            site, self.supervisor.at_work, lambda: self.supervisor.exposed, self.supervisor.wake
        )
        self.recovery = Recovery(
            site, self.rescue.climbs, found=self.supervisor.add, busy=self._is_busy, first_look=first_look_s
        )
        self.rescue.looked_after_by(self.recovery)
        self.standing = Standing(site, self.supervisor, undrained=self.recovery.wake)
        site.journal.remember = lambda: site.inventory.memory(self._deployments.texts())
        self.upstream_state: Callable[[], str] = lambda: "none"
        self.links = Links(site, self.supervisor, upstream=self._upstream_state_now)
        self.networks = NetworkKeeping(site, self.supervisor, self.recovery)
        self.standing.lacking.more = self.links.lacking
        self.links.amiss(self.standing.lacking.wake)
        self.seeing = Seeing(site, self.supervisor, self.status, self.links.links)
        self._started: Stamp | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._taking = asyncio.Lock()
        self.roster = NodeKeeping(site, self.supervisor, taking=self._taking, renewed=self._renewed)
        self.discovery = Radio(site, self.supervisor, self.roster)
        self.zigbee = ZigbeeDesk(site, self.supervisor, self.turns, self.networks.whereabouts)
        self.standing.lost = self._look_around
        self.state = StateKeeping(site, self.supervisor, self.roster, found_ill=self.recovery.wake)
        self.networks.heard.append(self.state.asker.heard)

    async def start(self) -> None:
        """Take up what the journal has open, before anybody can ask for more."""
        site = self.site
        self._started = site.clock()
        await site.journal.know_nodes(site.nodes)
        await site.inventory.load()
        await site.refresh_pins()
        await self.standing.load()
        if self.standing.drainage.lost() is None:  # else nothing says what nodes can be taken back to
            site.store.trim()
        await self.discovery.load()
        site.journal.listen(self.watchers.tell)
        await self.seeing.begin()
        await self.links.start()
        await self.rescue.start()
        await self.turns.load()
        await self._deployments.resume()
        await self.rollout.start()
        await self.state.start()
        self.networks.start()
        data: dict[str, object] = {
            "version": version("fleet-tender"),
            "unsigned_allowed": site.config.trust.unsigned == "allow",
            "resumed": self.supervisor.depth,
        }
        try:
            await site.journal.tell(Told("gateway.started", data=data))
        except TenderError as error:  # a full disk keeps nobody from starting: it has to be said by somebody
            log.warning("the start is not told: %s", error.code)
        if site.trust.notice is not None:
            log.warning("%s", site.trust.notice)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._complete())
            group.create_task(self.supervisor.run())
            group.create_task(self.links.run())
            group.create_task(self.turns.run())
            group.create_task(self.recovery.run())
            group.create_task(self.rescue.run())
            group.create_task(self.roster.rounds.run())
            group.create_task(self.standing.run())
            group.create_task(self.discovery.run())
            group.create_task(self.state.run())
            group.create_task(self.networks.run())

    async def _complete(self) -> None:
        while True:
            async with self._taking:
                await self._deployments.complete()
            await self._deployments.lacking()
            await asyncio.sleep(_CLOSE_AGAIN_S)

    async def stop(self) -> None:
        """Come to rest within the stop budget."""
        try:
            await self.site.journal.tell(Told("gateway.stopping", data={"open": self.supervisor.depth}))
        except TenderError as error:  # a full disk keeps nobody from stopping
            log.warning("the stop is not told: %s", error.code)
        await self.roster.rounds.stop()
        await self.supervisor.stop(self.site.config.stop_budget)
        await self.links.stop()
        await self.networks.stop()
        if self._closing:
            _, left = await asyncio.wait(self._closing, timeout=_CLOSING_S)
            for task in left:
                task.cancel()  # the next start tells it

    # Looking

    async def status(self) -> Status:
        """The gateway at a glance."""
        site, inventory = self.site, self.site.inventory
        depth, oldest = await site.journal.unsent_depth()
        views = inventory.views()
        notice = site.trust.notice
        warnings = [Reason("trust", notice)] if notice is not None else []
        warnings += [Reason(item.error.code, f"{item.file}: {item.error}") for item in site.shelf.refused]
        warnings += inventory.roster.aside.values()
        warnings += self.state.warnings()
        revision = await site.journal.meta("desired-revision")
        status = Status(
            gateway=site.config.gateway.name,
            version=version("fleet-tender"),
            epoch=site.journal.epoch,
            started=self._started,
            unsigned_allowed=site.config.trust.unsigned == "allow",
            upstream=self.upstream_state(),
            outbox_depth=depth,
            oldest_unsent=oldest,
            nodes=len(views),
            attempts_open=self.supervisor.depth,
            wounded=tuple(view.name for view in views if view.state == "wounded"),
            quarantined=inventory.quarantined(),
            exposed=self.supervisor.exposed,
            store_bytes=site.store.room.used,
            warnings=tuple(warnings),
            desired_revision=int(revision) if revision is not None else None,
            paused=self.turns.pauses.get(EVERYTHING),
            deployments=tuple(await self._deployments.views(open_only=True)),
        )
        return await self.standing.shown(status)

    async def nodes(self) -> list[NodeView]:
        """Every known node, by name."""
        return self.site.inventory.views()

    async def node(self, name: str) -> NodeView:
        """One node."""
        try:
            return self.site.inventory.view(name)
        except KeyError:
            raise NodeUnknown(f"there is no node {name!r}") from None

    async def probe(self, name: str, *, allow_restart: bool) -> NodeView:
        """Look at a node now."""
        await self.roster.looks.look(name, allow_restart=allow_restart)
        return await self.node(name)

    async def explain(self, node: str) -> Explanation:
        """Why the node is as it is, and what comes next."""
        view = await self.node(node)
        records = await self.site.journal.attempts(node=node, limit=5)
        under_way = next((record for record in records if not record.done), None)
        gates = self.supervisor.gates(under_way.id) if under_way is not None else ()
        stranger = self.site.identities.trouble(node)
        if stranger is not None and stranger.code not in {gate.code for gate in gates}:
            gates = (stranger, *gates)
        gates = self.links.gates(node, gates)
        return Explanation(
            view,
            _summary(view, records, gates),
            gates,
            tuple(self._view(record) for record in records),
            await self.links.diagnose(node),
        )

    async def attempts(self, *, node: str | None = None, open_only: bool = False) -> list[AttemptView]:
        """Attempts, newest first."""
        if node is not None and not self.site.inventory.roster.ever(node):
            await self.node(node)
        records = await self.site.journal.attempts(node=node)
        return [self._view(record) for record in records if not (open_only and record.done)]

    async def attempt(self, attempt_id: int) -> AttemptDetail:
        """One attempt."""
        record = self.supervisor.record(attempt_id) or await self.site.journal.attempt(attempt_id)
        if record is None:
            raise AttemptUnknown(f"there is no attempt {attempt_id}")
        trace = await self.site.journal.trace(attempt_id)
        session = self.supervisor.session(attempt_id)
        if session is not None:
            trace = session.recorder.text().splitlines()
        return AttemptDetail(self._view(record), record, tuple(trace))

    def _view(self, stored: Record) -> AttemptView:
        record = self.supervisor.record(stored.id) or stored
        session = self.supervisor.session(stored.id)
        done, total = (session.done, session.total) if session is not None else (0, 0)
        view = attempt_view(record, done=done, total=total)
        return view if record.done else replace(view, waiting_for=self.supervisor.gates(record.id))

    # Acting

    async def deploy(self, request: DeployRequest) -> DeploymentView:
        """Take a deployment."""
        for name in request.select.nodes:
            await self.node(name)
        await self._have_release(request)
        async with self._taking:
            return await self._deployments.take(request)

    async def _have_release(self, request: DeployRequest) -> None:
        """Fetch what is not here before anybody has to wait for it; its trouble is told when it is taken."""
        with suppress(TenderError):
            await self._deployments.release(request)

    async def desired(self, revision: int, requests: tuple[DeployRequest, ...]) -> None:
        """The whole desired state from upstream."""
        for request in requests:
            await self._have_release(request)
        async with self._taking:
            last = int(await self.site.journal.meta("desired-revision") or -1)
            if revision < last:
                return
            mine = await self._from_upstream()
            for name in mine - {request.id for request in requests}:
                await self._deployments.cancel(name, CancelReason.CANCELLED, "upstream")
            for request in requests:
                try:
                    await self._deployments.take(replace(request, revision=revision))
                except TenderError as error:
                    if revision > last:
                        await self._refused(request, error, revision)
            await self.site.journal.set_meta("desired-revision", str(revision))

    async def _from_upstream(self) -> set[str]:
        """The open deployments that came by a desired state."""
        return {name for name, (revision, _) in self._deployments.texts().items() if revision is not None}

    async def _refused(self, request: DeployRequest, error: TenderError, revision: int) -> None:
        data: dict[str, object] = {
            "code": error.code,
            "message": error.message,
            "remedy": error.what_to_do,
            "revision": revision,
        }
        await self.site.journal.tell(Told("deployment.refused", deployment=request.id, data=data))

    async def deployments(self) -> list[DeploymentView]:
        """Every deployment, newest first."""
        return await self._deployments.views()

    async def rollback(self, node: str, *, asked_by: str) -> AttemptView:
        """Bring a node back to its known-good."""
        await self.node(node)
        for record in await self.site.journal.attempts(node=node):
            if asked_by.startswith("upstream:") and record.asked_by == asked_by:
                return self._view(record)  # the same command again: we died before it was acknowledged
        targets = await way_out(self.site, node)
        if not targets:
            raise NoKnownGood(f"nothing is known that {node} could go back to")
        return self._view(await self._deployments.bring_back(node, targets, asked_by))

    async def cancel(self, target: str, *, asked_by: str) -> list[AttemptView]:
        """End an attempt or a deployment early."""
        if target.isdecimal():
            record = await self.site.journal.attempt(int(target))
            if record is None:
                raise AttemptUnknown(f"there is no attempt {target}")
            await self.supervisor.cancel(record.id, CancelReason.CANCELLED, asked_by)
            stored = await self.site.journal.attempt(record.id)
            return [self._view(stored or record)]
        records = await self._deployments.cancel(target, CancelReason.CANCELLED, asked_by)
        if not records:
            raise AttemptUnknown(f"there is no deployment {target!r}")
        return [self._view(record) for record in await self.site.journal.attempts(deployment=target)]

    async def add_release(self, file: Path, *, asked_by: str) -> ReleaseView:
        """Verify a release file and take it into the store."""
        added = await add_release(file, self.site.trust, self.site.store, keep=self.site.shelf.add)
        release = added.release
        data: dict[str, object] = {
            "product": release.manifest.product,
            "version": release.manifest.version,
            "trust": str(release.trust),
            "asked_by": asked_by,
        }
        await self.site.journal.tell(Told("release.added", data=data))
        return self._release(release)

    async def releases(self) -> list[ReleaseView]:
        """Every release in the store."""
        return [self._release(release) for release in self.site.shelf]

    async def add_baseline(
        self, file: Path, *, profile: str, component: str, version: str | None
    ) -> ReleaseView:
        """Take a known-good that the operator vouches for."""
        node_type = self.site.node_types.get(profile)
        data = await off_loop(lambda: _begin_of(file))
        target = await target_of_file(
            self.site.stock(profile), self.site.store, data, node_type, file.name, component
        )
        if version is not None:
            # People's word for it; what the node will say is the image's to tell, if it does.
            named = replace(target.firmware, version=target.firmware.version or version)
            target = replace(target, firmware=named, version=version)
        await self.site.journal.add_baseline(profile, component, target)
        await self.site.refresh_pins()
        artifact: dict[str, str | int] = {
            "profile": profile,
            "component": component,
            "digest": str(target.artifact),
            "size": target.size,
        }
        return ReleaseView("baseline", target.version, "vouched for by the operator", True, (artifact,))

    def _release(self, release: Release) -> ReleaseView:
        manifest = release.manifest
        artifacts: tuple[dict[str, str | int], ...] = tuple(
            {
                "profile": artifact.profile,
                "component": artifact.component,
                "variant": artifact.variant or "",
                "name": artifact.name,
                "format": artifact.format,
                "version": manifest.version_of(artifact),
                "digest": str(artifact.digest),
                "size": artifact.size,
            }
            for artifact in manifest.artifacts
        )
        complete = all(self.site.store.has(artifact.digest) for artifact in manifest.artifacts)
        return ReleaseView(
            manifest.product,
            manifest.version,
            str(release.trust),
            complete,
            artifacts,
            self.turns.marks.get(release.id),
        )

    # Telling

    def watch(self) -> AsyncIterator[Event | Progress]:
        """Everything from now on, as it happens."""
        return self.watchers.watch()

    def _upstream_state_now(self) -> str:
        return self.upstream_state()

    async def command_refused(self, verb: str, code: str, message: str, remedy: str) -> None:
        """Tell upstream that something it asked was not understood."""
        data: dict[str, object] = {"verb": verb, "code": code, "message": message, "remedy": remedy}
        await self.site.journal.tell(Told("command.refused", data=data))

    def _look_around(self) -> None:
        """The journal was lost: every node is asked what it runs, as far as that costs nothing."""
        try:
            self.roster.rounds.begin(ProbeAll(), LOST_BY)
        except TenderError as error:
            log.info("no round of looks: %s", error.code)

    def _is_busy(self, node: str) -> bool:
        """Whether nobody else may begin anything on this node now."""
        held = self.supervisor.holds(node) or self.site.not_ours(node) is not None
        return held or self.supervisor.drained() is not None

    def _renewed(self) -> None:
        """There are other nodes, or something else is said of them."""
        self._deployments.look_again()
        self.discovery.renewed()
        self.networks.renewed()
        self.supervisor.wake()

    def _progressed(self, progress: Progress) -> None:
        self.outbox.show(progress)
        self.standing.progressed(progress)
        self.watchers.tell(progress)

    async def _close_if_done(self, deployment: str) -> None:
        while True:
            try:
                await self._deployments.close_if_done(deployment)
            except TenderError as error:  # a full disk, most likely
                log.warning("deployment=%s not closed: %s", deployment, error.code)
                await asyncio.sleep(_CLOSE_AGAIN_S)
            else:
                return

    def _ended(self, record: Record) -> None:
        self.state.asker.ended(record)
        self.standing.ended(record)
        self.rescue.ended(record)
        self.recovery.wake()
        if record.deployment is not None:
            task = asyncio.create_task(self._close_if_done(record.deployment))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _begin_of(file: Path) -> bytes:
    """As much of the file as an image may have, and one byte more."""
    with file.open("rb") as opened:
        return opened.read(_IMAGE_BYTES + 1)


def _summary(view: NodeView, records: list[Record], gates: tuple[Reason, ...]) -> str:
    """The one sentence that answers why."""
    newest = records[0] if records else None
    if view.state in ("identity-changed", "changed-by-others"):
        said = (
            "; ".join(gate.message for gate in gates) or f"{view.name} runs what nobody here brought to it."
        )
        return f"{said}  {view.next_step}"
    if newest is None:
        return f"Nothing was ever deployed to {view.name}."
    if newest.result is None:
        waits = "; ".join(gate.message for gate in gates)
        doing = "waits" if newest.phase is Phase.WAITING else f"is {newest.phase}"
        return f"Attempt {newest.id} {doing}" + (f": {waits}" if waits else ".")
    result = newest.result
    why = f": {result.message}" if result.message else ""
    return f"Attempt {newest.id} ended {result.outcome}{why}  Acts next: {ACTS_NEXT[result.outcome]}."
