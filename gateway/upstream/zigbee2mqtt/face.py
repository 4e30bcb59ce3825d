"""What zigbee2mqtt's requests mean here: a check looks into the store, an update is a deployment of one node.

Whatever is asked goes through the gateway's own verbs, so everything that holds for a deployment
holds for it: only signed releases, gates, proof.  An update is answered when it has ended, and well
only if the node was proved to run the release; a schedule is answered at once.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.control import Control, DeploymentPolicy, DeployRequest, Progress, Selector
from gateway.errors import RequestError
from gateway.model.outcomes import Outcome, Phase
from gateway.model.views import AttemptView
from gateway.model.zigbee import Upgradable
from gateway.upstream.zigbee2mqtt.messages import Request, Update, UpdateState, Verb
from transports.errors import TenderError

_GOOD = (Outcome.SUCCEEDED, Outcome.ALREADY_THERE)
_MOVES = frozenset({Phase.PREPARING, Phase.TRANSFERRING, Phase.ACTIVATING, Phase.PROVING, Phase.SOAKING})


class NothingToUpdateTo(RequestError):
    """The store has no release for this node that is newer (or older, for a downgrade)."""

    code = "zigbee2mqtt-no-image"
    remedy = "Add a release for its node type: `tender release add FILE`."


class UpdateBusy(RequestError):
    """An update of this node is under way or scheduled already."""

    code = "zigbee2mqtt-in-progress"
    remedy = "Wait for it, or ask for `update/abort` or `unschedule`."


class NothingToAbort(RequestError):
    """No update of this node is under way."""

    code = "zigbee2mqtt-nothing-to-abort"
    remedy = "Nothing has to be done."


class UpdateFailed(RequestError):
    """The update has ended, and the node was not proved to run the release."""

    code = "zigbee2mqtt-update-failed"
    remedy = "`tender attempts --node NODE` shows how it ended and what comes next."


@dataclass(slots=True)
class _Pace:
    """How fast a transfer is; times are the loop's."""

    attempt: int
    began: float
    first: int


class Face:
    """Answers requests, and says how each node's update stands."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._numbers = itertools.count(1)
        self._born = time.time_ns() // 1_000_000
        self._progress: dict[str, Progress] = {}
        self._paces: dict[str, _Pace] = {}

    async def do(self, request: Request) -> dict[str, Any]:
        """Do what is asked; the answer's data.

        Raises:
            TenderError: it was not done, or went wrong.
        """
        known = await self._control.zigbee.upgradable(request.id, downgrade=request.downgrade)
        under_way = await self._open(known.node)
        if not under_way and (request.verb is Verb.CHECK or known.installed is None):
            with suppress(TenderError):  # one that sleeps is as it was last heard to be
                await self._control.probe(known.node, allow_restart=False)
            known = await self._control.zigbee.upgradable(request.id, downgrade=request.downgrade)
        match request.verb:
            case Verb.CHECK:
                found = known.next
                return {
                    "id": request.id,
                    "update_available": found is not None,
                    "downgrade": request.downgrade,
                    "source": _source(known),
                    "release_notes": None,
                }
            case Verb.UPDATE:
                return await self._update(request, known, under_way)
            case Verb.SCHEDULE:
                await self._deploy(request, known, under_way)
                return {"id": request.id, "url": _source(known)}
            case Verb.UNSCHEDULE | Verb.ABORT:
                if not under_way and request.verb is Verb.ABORT:
                    raise NothingToAbort(f"no update of {known.node} is under way")
                for attempt in under_way:
                    await self._control.cancel(str(attempt.id), asked_by="zigbee2mqtt")
                return {"id": request.id}

    async def update(self, node: str) -> Update:
        """How a node's update stands, as zigbee2mqtt says it."""
        known = await self._control.zigbee.upgradable(node)
        under_way = await self._open(known.node)
        if not under_way:
            state = UpdateState.IDLE if known.next is None else UpdateState.AVAILABLE
            latest = known.installed if known.next is None else known.next.file_version
            return Update(state, known.installed, latest, _source(known))
        attempt = under_way[0]
        wanted = next((each.version for each in attempt.want.values()), None)
        latest = int(wanted) if wanted is not None and wanted.isdigit() else None
        if attempt.phase not in _MOVES:
            return Update(UpdateState.SCHEDULED, known.installed, latest)
        progress, remaining = self._how_far(attempt)
        return Update(UpdateState.UPDATING, known.installed, latest, None, progress, remaining)

    async def news(self) -> AsyncIterator[str]:
        """The names of nodes of which there is something new to say, as it happens."""
        async for item in self._control.watch():
            if isinstance(item, Progress):
                self._note(item)
                yield item.node
            elif item.node is not None:
                yield item.node

    # Updates

    async def _update(
        self, request: Request, known: Upgradable, under_way: list[AttemptView]
    ) -> dict[str, Any]:
        some = asyncio.Event()

        async def watch() -> None:
            async for _ in self._control.watch():
                some.set()

        watching = asyncio.create_task(watch())  # from before it begins, so that no end is missed
        try:
            deployment = await self._deploy(request, known, under_way)
            while (ended := await self._end_of(deployment, known.node)) is None:
                await some.wait()
                some.clear()
        finally:
            watching.cancel()
            await asyncio.wait({watching})
        if ended.outcome not in _GOOD:
            raise UpdateFailed(f"the update of {known.node} ended as {ended.outcome}: {ended.message}")
        after = await self._control.zigbee.upgradable(known.node)
        return {
            "id": request.id,
            "from": {"file_version": known.installed},
            "to": {"file_version": after.installed},
        }

    async def _deploy(self, request: Request, known: Upgradable, under_way: list[AttemptView]) -> str:
        if under_way:
            raise UpdateBusy(f"attempt {under_way[0].id} is under way on {known.node}")
        if known.next is None:
            older = "older" if request.downgrade else "newer"
            raise NothingToUpdateTo(f"there is no {older} release for {known.node}")
        name = f"zigbee2mqtt-{self._born}-{next(self._numbers)}"
        await self._control.deploy(
            DeployRequest(
                id=name,
                product=known.next.product,
                version=known.next.version,
                select=Selector(nodes=(known.node,)),
                policy=DeploymentPolicy(),
                asked_by="zigbee2mqtt",
            )
        )
        return name

    async def _end_of(self, deployment: str, node: str) -> AttemptView | None:
        for attempt in await self._control.attempts(node=node):
            if attempt.deployment == deployment:
                return attempt if attempt.outcome is not None else None
        return None

    async def _open(self, node: str) -> list[AttemptView]:
        return await self._control.attempts(node=node, open_only=True)

    # How far

    def _note(self, progress: Progress) -> None:
        now = asyncio.get_running_loop().time()
        pace = self._paces.get(progress.node)
        if pace is None or pace.attempt != progress.attempt or progress.done < pace.first:
            self._paces[progress.node] = _Pace(progress.attempt, now, progress.done)
        self._progress[progress.node] = progress

    def _how_far(self, attempt: AttemptView) -> tuple[float | None, int | None]:
        """Percent, and seconds that are left at the pace so far; None while that is not known."""
        progress, pace = self._progress.get(attempt.node), self._paces.get(attempt.node)
        if progress is None or pace is None or progress.attempt != attempt.id or not progress.total:
            return None, None
        percent = 100 * progress.done / progress.total
        passed, moved = asyncio.get_running_loop().time() - pace.began, progress.done - pace.first
        left = round((progress.total - progress.done) * passed / moved) if moved > 0 and passed > 0 else None
        return percent, left


def _source(known: Upgradable) -> str | None:
    return None if known.next is None else f"release {known.next.product} {known.next.version}"
