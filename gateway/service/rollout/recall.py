"""A release is recalled: what wants it is ended, what leads back to it leads elsewhere, who runs it is named.

Artifacts that another release on the shelf vouches for stay what they are.
"""

from flashers.api import Digest, Firmware
from gateway.attempt.steps import Finish
from gateway.errors import NodeUnknown
from gateway.journal.journal import Told
from gateway.model.outcomes import CancelReason, Outcome
from gateway.model.records import Record, Target, Trouble
from gateway.model.rollout import Mark, RecallAnswer, ReleaseMark
from gateway.releases.release import Release
from gateway.service.deployments import Deployments
from gateway.service.rollout import reasons
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.service.ways_back import way_out

_LOOKED_BACK = 200
"""Attempts of a node in which an older known-good is looked for."""


class Recall:
    """Does what a recall is."""

    def __init__(self, site: Site, supervisor: Supervisor, deployments: Deployments) -> None:
        self._site = site
        self._supervisor = supervisor
        self._deployments = deployments
        self._turns = supervisor.turns

    async def recall(self, release: str, *, back: bool, asked_by: str, why: str) -> RecallAnswer:
        """Never again use it; the same recall again only adds ``back``.  Raises ReleaseUnknown."""
        found = self._site.shelf.get(release)
        known = self._turns.marks.get(release)
        again = known is not None and known.mark is Mark.RECALLED
        mark = known if known is not None and again else None
        if mark is None:
            digests = tuple(sorted({str(artifact.digest) for artifact in found.manifest.artifacts}))
            mark = ReleaseMark(release, Mark.RECALLED, asked_by, why, self._site.clock(), digests)
        self._turns.marks[release] = mark
        self._turns.recall_changed()
        running = [name for name in sorted(self._site.nodes) if await self._runs(name, found)]
        goods = await self._older_goods()
        ways = {name: await way_out(self._site, name) for name in running} if back else {}
        stranded = tuple(name for name in running if back and not ways[name])
        if not again or goods:
            await self._write(mark, known, goods, running, sorted(set(ways) - set(stranded)), stranded)
        cancelled = await self.end_what_wants_it(mark, asked_by)
        going_back = {}
        for name, targets in ways.items():
            if targets and (attempt := await self._take_back(name, targets, release, asked_by)) is not None:
                going_back[name] = attempt
        return RecallAnswer(mark, tuple(running), tuple(cancelled), going_back, stranded)

    async def _write(
        self,
        mark: ReleaseMark,
        before: ReleaseMark | None,
        goods: dict[tuple[str, str], Target | None],
        running: list[str],
        going_back: list[str],
        stranded: tuple[str, ...],
    ) -> None:
        data: dict[str, object] = {
            "release": mark.release,
            "by": mark.by,
            "why": mark.why,
            "running": running,
            "going_back": going_back,
            "stranded": list(stranded),
        }
        told = [Told("release.recalled", data=data)]
        try:
            await self._site.journal.save_mark(mark.release, mark, told, known_goods=goods)
        except BaseException:
            self._turns.marks.pop(mark.release)
            if before is not None:
                self._turns.marks[mark.release] = before
            self._turns.recall_changed()
            raise
        for (node, component), target in goods.items():
            self._site.inventory.set_known_good(node, component, target)
        await self._site.refresh_pins()

    async def _older_goods(self) -> dict[tuple[str, str], Target | None]:
        """Another known-good for every node whose own is recalled, or None where there is no other."""
        banned = self._site.inventory.banned
        changed: dict[tuple[str, str], Target | None] = {}
        for node in self._site.nodes:
            for component, target in self._site.inventory.known_goods(node).items():
                if target.artifact in banned:
                    changed[node, component] = await self._older_good(node, component, banned)
        return changed

    async def _older_good(self, node: str, component: str, banned: frozenset[Digest]) -> Target | None:
        board = self._site.inventory.roster.kept(node).generation
        for record in await self._site.journal.attempts(node=node, generation=board, limit=_LOOKED_BACK):
            if record.result is None or record.result.outcome not in (
                Outcome.SUCCEEDED,
                Outcome.ALREADY_THERE,
            ):
                continue
            for part in record.parts:
                for target in (part.want, part.known_good):
                    if target is None or part.component.id != component:
                        continue
                    if target.artifact not in banned:
                        return target
        return None

    async def _runs(self, node: str, release: Release) -> bool:
        """Whether the node was last seen to run an artifact of this release."""
        observation = self._site.inventory.seen(node)
        profile = self._site.nodes[node].profile
        if observation is None or not any(release.manifest.for_profile(profile)):
            return False
        firmwares = await self._firmwares(node, release)
        running = [slot.firmware for slot in observation.seen.slots if slot.active and slot.bootable]
        return any(firmware is not None and each.same(firmware) for firmware in running for each in firmwares)

    async def _firmwares(self, node: str, release: Release) -> list[Firmware]:
        """What such nodes call the release's artifacts: as attempts have learned, else its version."""
        profile = self._site.nodes[node].profile
        artifacts = {each.digest: each for each in release.manifest.for_profile(profile)}
        known: dict[Digest, Firmware] = {}
        for record in await self._site.journal.attempts(node=node, limit=_LOOKED_BACK):
            for part in record.parts:
                if part.want.artifact in artifacts and part.want.firmware.identity is not None:
                    known.setdefault(part.want.artifact, part.want.firmware)
        return [
            known.get(digest) or Firmware(None, release.manifest.version_of(artifact))
            for digest, artifact in artifacts.items()
        ]

    async def end_what_wants_it(self, mark: ReleaseMark, asked_by: str) -> list[int]:
        """Untouched attempts are refused; the others are taken to the nearest proved state."""
        gate = reasons.marked(mark)
        step = Finish(Outcome.REFUSED, Trouble(gate.code, gate.message, gate.remedy))
        ended = []
        for record in self._supervisor.records():
            if self._wants(record, mark.release):
                await self._supervisor.cancel(record.id, CancelReason.CANCELLED, asked_by, untouched=step)
                ended.append(record.id)
        return sorted(ended)

    def _wants(self, record: Record, release: str) -> bool:
        rollout = self._turns.open.get(record.deployment or "")
        if rollout is not None and rollout.release == release:
            return True
        return any(part.want.artifact in self._site.inventory.banned for part in record.parts)

    async def _take_back(
        self, node: str, targets: dict[str, Target], release: str, asked_by: str
    ) -> int | None:
        """The attempt that brings the node back; the one there is if it was asked before."""
        if node not in self._site.nodes:
            raise NodeUnknown(f"there is no node {node!r}")
        wanted = {target.artifact for target in targets.values()}
        for record in self._supervisor.records():
            if record.node == node and {part.want.artifact for part in record.parts} == wanted:
                return record.id
        record = await self._deployments.bring_back(node, targets, f"{asked_by}, recall of {release}")
        return record.id
