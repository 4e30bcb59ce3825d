"""Deployments: taken once, made into attempts, and told of when the last one has ended."""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import replace

from flashers.api import Reason, Role, Seen, Stamp
from flashers.api.plain import dump, load
from gateway.attempt import advance
from gateway.attempt.telling import done_told, phase_told
from gateway.control import DeploymentPolicy, DeployRequest
from gateway.errors import NothingSelected, ReleaseUnknown
from gateway.journal.journal import Told
from gateway.model.outcomes import CancelReason, Origin
from gateway.model.records import Part, Record, Rules, Target
from gateway.model.rollout import Mark
from gateway.model.views import DeploymentView
from gateway.releases.add import add_release
from gateway.releases.release import Release
from gateway.service.node_types import rules_of
from gateway.service.planning import plan, selected
from gateway.service.rescue.rungs import steps_of
from gateway.service.rollout.errors import ReleaseRecalled
from gateway.service.rollout.reasons import marked
from gateway.service.rollout.staging import refusal
from gateway.service.rollout.view import rollout_view, state_of
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from transports.errors import TenderError

log = logging.getLogger("tender.deployments")

_MANIFEST_BYTES = 256 << 20
"""A release file that comes by URL may be so large at most."""


class Deployments:
    """Takes requests, and keeps one attempt for each node of each of them."""

    def __init__(self, site: Site, supervisor: Supervisor) -> None:
        self._site = site
        self._supervisor = supervisor
        self._requests: dict[str, DeployRequest] = {}
        self._lacking: set[str] = set()
        """Deployments that may not have an attempt for every node yet, and so cannot be done."""
        self._lacks = asyncio.Event()
        self._closing = asyncio.Lock()
        self._turns = supervisor.turns

    async def resume(self) -> None:
        """After a start: what is open goes on."""
        journal = self._site.journal
        for name, is_open, text, _ in await journal.deployments():
            if is_open:
                self._requests[name] = load(DeployRequest, text)
                self._lacking.add(name)
                self._turns.opened(
                    self._requests[name], await journal.attempts(deployment=name, limit=100_000)
                )
        for record in await journal.open_attempts():
            request = self._requests.get(record.deployment or "")
            self._site.inventory.attempt(record)
            self._supervisor.add(record, request.policy if request else DeploymentPolicy())

    def texts(self) -> dict[str, tuple[int | None, str]]:
        """Every open deployment as its revision and its request's text."""
        return {name: (request.revision, dump(request)) for name, request in list(self._requests.items())}

    async def complete(self) -> None:
        """Make the attempts that are lacking: power may have gone, or the disk have been full, in between.

        A release that is fetched for it may take its time; everything else goes on meanwhile.
        """
        self._lacks.clear()
        for name in sorted(self._lacking):
            request = self._requests.get(name)
            if request is None:
                self._lacking.discard(name)
                continue
            try:
                await self._begin_all(request, await self.release(request))
                await self.close_if_done(name)
            except TenderError as error:
                log.info("deployment=%s lacks attempts: %s", name, error.code)
                if error.retryable:
                    self._lacks.set()
                    continue
                # What it has is all that it will have.
                self._lacking.discard(name)
                with suppress(TenderError):
                    await self.close_if_done(name)

    def look_again(self) -> None:
        """There are other nodes, or other labels: whoever is selected now is taken along."""
        self._lacking |= self._requests.keys()
        self._lacks.set()

    async def lacking(self) -> None:
        """Wait until there is something to complete."""
        await self._lacks.wait()

    async def take(self, request: DeployRequest) -> DeploymentView:
        """Take a deployment; the same id again is the same deployment.

        Raises:
            ReleaseUnknown, ReleaseRecalled, NothingSelected, or the errors of trust and of fetching.
        """
        known = {name for name, _, _, _ in await self._site.journal.deployments()}
        if request.id in known:
            return await self.view(request.id)
        request = replace(request, policy=self._turns.settled(request.policy))
        mark = self._turns.marks.get(f"{request.product}:{request.version}")
        if mark is not None and mark.mark is Mark.RECALLED:
            raise ReleaseRecalled(f"{mark.release} was recalled by {mark.by}")
        release = await self.release(request)
        chosen = self._chosen(request, release)
        if not chosen:
            raise NothingSelected(f"{release.id} has nothing for the nodes that were selected")
        told = Told(
            "deployment.accepted",
            deployment=request.id,
            data={
                "release": release.id,
                "nodes": chosen,
                "revision": request.revision,
                "asked_by": request.asked_by,
                "trust": str(release.trust),
                "waves": list(request.policy.waves or ()),
                "no_rollback": request.policy.no_rollback,
                "beyond_budget": request.policy.beyond_budget,
                "activate": request.policy.activate,
            },
        )
        await self._site.journal.save_deployment(
            request.id, dump(request), revision=request.revision, is_open=True, told=[told]
        )
        self._requests[request.id] = request
        self._lacking.add(request.id)
        self._turns.opened(request)
        try:
            await self._begin_all(request, release)
            await self.close_if_done(request.id)
        except TenderError as error:  # it was taken, and that was told; the rest of it is made up for
            log.warning("deployment=%s lacks attempts: %s", request.id, error.code)
            self._lacks.set()
        return await self.view(request.id)

    def _chosen(self, request: DeployRequest, release: Release) -> list[str]:
        """The selected nodes that the release has something for."""
        return [
            name
            for name in sorted(selected(request.select, self._site.nodes))
            if any(release.manifest.for_profile(self._site.nodes[name].profile))
        ]

    async def _begin_all(self, request: DeployRequest, release: Release) -> None:
        """Have an attempt for every chosen node; those that are there already stay as they are."""
        records = await self._site.journal.attempts(deployment=request.id, limit=100_000)
        # A board that was replaced since had its attempt; the new one has had none.
        boards = self._site.inventory.roster
        there = {each.node for each in records if each.generation == boards.kept(each.node).generation}
        for name in self._chosen(request, release):
            if name not in there:
                await self._supersede(name, request)
                await self._begin(name, request, release)
        self._lacking.discard(request.id)

    async def release(self, request: DeployRequest) -> Release:
        """The release that is asked for, fetched if it is not here.  Raises as :meth:`take`."""
        name = f"{request.product}:{request.version}"
        try:
            return self._site.shelf.get(name)
        except TenderError as error:
            if request.manifest_url is None:
                raise ReleaseUnknown(f"{name} is not in the store") from error
        site = self._site
        async with site.fetcher.release_file(request.manifest_url, limit=_MANIFEST_BYTES) as path:
            added = await add_release(
                path, site.trust, site.store, base=request.manifest_url, keep=site.shelf.add
            )
        if added.release.id != name:
            raise ReleaseUnknown(f"{request.manifest_url} has {added.release.id}, and {name} was asked for")
        return added.release

    async def close_if_done(self, deployment: str) -> None:
        """Tell the end of a deployment whose attempts have all ended, once.

        Raises:
            JournalFull, JournalError: it is still open, and may be asked about again.
        """
        async with self._closing:  # two attempts may end at the same moment
            request = self._requests.get(deployment)
            if request is None or deployment in self._lacking:
                return
            if await self._site.journal.any_open(deployment):
                return
            records = await self._site.journal.attempts(deployment=deployment, limit=100_000)
            if not records or not all(record.done for record in records):
                return
            told = Told("deployment.done", deployment=deployment, data={"outcomes": _outcomes(records)})
            await self._site.journal.save_deployment(
                deployment, dump(request), revision=request.revision, is_open=False, told=[told]
            )
            del self._requests[deployment]
            self._turns.closed(deployment)

    async def cancel(self, deployment: str, reason: CancelReason, by: str) -> list[Record]:
        """Ask every open attempt of a deployment to end."""
        records = await self._site.journal.attempts(deployment=deployment, limit=100_000)
        for record in records:
            if not record.done:
                await self._supervisor.cancel(record.id, reason, by)
        return records

    @property
    def open(self) -> list[str]:
        """The deployments that have not ended."""
        return list(self._requests)

    async def view(self, deployment: str) -> DeploymentView:
        """How far a deployment is.  Raises KeyError if there is none."""
        found = await self.find(deployment)
        if found is None:
            raise KeyError(deployment)
        return found

    async def find(self, deployment: str) -> DeploymentView | None:
        """How far a deployment is; None if there is none."""
        for name, is_open, text, created in await self._site.journal.deployments():
            if name == deployment:
                return await self._view(load(DeployRequest, text), created, is_open=is_open)
        return None

    async def views(self, *, open_only: bool = False) -> list[DeploymentView]:
        """Every deployment, newest first."""
        return [
            await self._view(load(DeployRequest, text), created, is_open=is_open)
            for _, is_open, text, created in await self._site.journal.deployments()
            if is_open or not open_only
        ]

    async def _view(self, request: DeployRequest, created: Stamp, *, is_open: bool) -> DeploymentView:
        rollout = self._turns.open.get(request.id)
        if rollout is not None:
            records = rollout.records
        else:
            records = await self._site.journal.attempts(deployment=request.id, limit=100_000)
        gates = (self._supervisor.gates(record.id) for record in records if not record.done)
        view = rollout_view(request, records, self._turns, gates)
        return DeploymentView(
            id=request.id,
            product=request.product,
            version=request.version,
            revision=request.revision,
            asked_by=request.asked_by,
            state=state_of(view, is_open=is_open),
            nodes=tuple(sorted({record.node for record in records})),
            outcomes=_outcomes(records),
            created=created,
            rollout=view,
        )

    # Attempts

    async def _supersede(self, node: str, request: DeployRequest) -> None:
        for record in await self._site.journal.attempts(node=node, limit=20):
            if not record.done and record.deployment != request.id:
                await self._supervisor.cancel(record.id, CancelReason.SUPERSEDED, request.asked_by)

    async def _begin(self, name: str, request: DeployRequest, release: Release) -> None:
        site, policy = self._site, request.policy
        profile = site.nodes[name].profile
        observation = site.inventory.seen(name)
        seen = observation.seen if observation is not None else Seen(Role.UNKNOWN)
        parts: tuple[Part, ...] = ()
        rules = Rules()
        try:
            node_type = site.node_types.get(profile)
            parts, reasons = plan(release.manifest, site.nodes[name], node_type, seen)
            reasons += refusal(policy.activate, node_type)
            rules = rules_of(
                node_type.profile,
                node_type.declaration,
                no_rollback=policy.no_rollback or site.config.rollout.no_rollback,
                soak=policy.soak,
                soak_after=policy.soak_after,
                rungs=steps_of(site.nodes[name], node_type.profile),
            )
        except TenderError as error:
            reasons = (Reason(error.code, error.message, error.what_to_do),)
        mark = self._turns.marks.get(f"{request.product}:{request.version}")
        if mark is not None and mark.mark is Mark.RECALLED:  # since it was taken, and this node came later
            reasons = (marked(mark), *reasons)

        wound = site.inventory.wound(name)
        if wound is not None:
            parts = _leading_back(parts, wound)

        def make(number: int) -> Record:
            record = Record(
                id=number,
                node=name,
                profile=profile,
                parts=parts,
                rules=rules,
                deployment=request.id,
                asked_by=request.asked_by,
                created=site.clock(),
                all_at_once=policy.all_at_once,
                beyond_budget=policy.beyond_budget,
            )
            return advance.refuse(record, reasons, seen, at=site.clock()) if reasons else record

        record = await site.journal.create(make, _told_of)
        await site.known(record)
        if not record.done:
            self._supervisor.add(record, policy)

    async def bring_back(self, node: str, targets: dict[str, Target], asked_by: str) -> Record:
        """An attempt of its own that brings a node to its known-goods."""
        site, table = self._site, self._site.nodes[node]
        node_type = site.node_types.get(table.profile)
        rungs = steps_of(table, node_type.profile)
        rules = rules_of(node_type.profile, node_type.declaration, no_rollback="allow", rungs=rungs)
        components = {part.id: part.value() for part in node_type.profile.components}
        parts = tuple(
            Part(components[name], target) for name, target in targets.items() if name in components
        )

        def make(number: int) -> Record:
            return Record(
                id=number,
                node=node,
                profile=table.profile,
                parts=parts,
                rules=rules,
                origin=Origin.OPERATOR,
                asked_by=asked_by,
                created=site.clock(),
            )

        record = await site.journal.create(make, phase_told)
        await site.known(record)
        self._supervisor.add(record)
        return record


def _leading_back(parts: tuple[Part, ...], wound: Record) -> tuple[Part, ...]:
    """What a wounded node had before only the attempt knows that wounded it."""
    known = {part.component.id: part.known_good for part in wound.parts}
    return tuple(replace(part, known_good=known.get(part.component.id)) for part in parts)


def _told_of(record: Record) -> Told:
    return done_told(record) if record.done else phase_told(record)


def _outcomes(records: list[Record]) -> dict[str, int]:
    """How many nodes ended how, by each node's newest attempt of the deployment."""
    newest: dict[str, Record] = {}
    for record in records:
        if record.node not in newest or record.id > newest[record.node].id:
            newest[record.node] = record
    return dict(Counter(r.result.outcome.value for r in newest.values() if r.result is not None))
