"""What people ask of Zigbee networks: who may join, who did, what is kept of them, a frame of their own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from flashers.api import Stamp
from gateway.errors import NodeBusy, NodeUnknown
from gateway.journal.journal import Told
from gateway.model.zigbee import (
    BackupView,
    HeardFrame,
    JoinedView,
    NetworkView,
    Upgradable,
    ZclAnswer,
)
from gateway.service.rollout.turns import Turns
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.service.zigbee.errors import (
    BackupUnknown,
    BadPayload,
    ClusterOurs,
    NetworkUnknown,
    NotPermitted,
    NotRestorable,
)
from gateway.service.zigbee.frames import Frames
from gateway.service.zigbee.offers import Offers
from gateway.service.zigbee.types import TypesOfNodes
from gateway.service.zigbee.whereabouts import Whereabouts
from gateway.verbs.zigbee import LONGEST_PERMIT_S, ZclRequest
from transports.errors import BadLink
from transports.zcl import NodeFacts, Zcl
from transports.zigbee.address import ieee_address
from transports.zigbee.backups import BackupFile
from transports.zigbee.errors import CoordinatorLost
from transports.zigbee.network import OTA, Network

log = logging.getLogger("tender.zigbee")

_LONGEST_PAYLOAD = 80
"""Bytes that any route carries unfragmented, and more than most."""


@runtime_checkable
class Archived(Network, Protocol):
    """A network over a coordinator of ours, of which backups are kept."""

    async def backups(self) -> tuple[BackupFile, ...]:
        """What is kept, newest first."""
        ...

    async def backup(self) -> Path:
        """Keep it as it is now, in this file."""
        ...

    async def restore(self, path: Path) -> None:
        """Write a backup to the coordinator."""
        ...


class ZigbeeDesk:
    """Implements :class:`gateway.verbs.zigbee.ZigbeeVerbs`."""

    def __init__(self, site: Site, supervisor: Supervisor, turns: Turns, whereabouts: Whereabouts) -> None:
        self._site = site
        self._supervisor = supervisor
        self._whereabouts = whereabouts
        self._types = TypesOfNodes(site.node_types)
        self._offers = Offers(site, turns)
        self._frames = Frames(site, whereabouts)

    async def networks(self) -> Sequence[NetworkView]:
        """As in the contract."""
        return [self._view(name) for name in self._names()]

    async def joined(self, network: str | None = None) -> Sequence[JoinedView]:
        """As in the contract."""
        names = self._names() if network is None else (self._known(network),)
        found = []
        for name in names:
            made = self._site.zigbee.network(name)
            if made is not None:
                mine = self._whereabouts.of(name)
                found += [self._joined(name, facts, mine.get(ieee)) for ieee, facts in made.nodes().items()]
        return sorted(found, key=lambda each: (each.network, each.node is None, each.node or "", each.ieee))

    async def permit(
        self, network: str, seconds: float, *, through: str | None, asked_by: str
    ) -> NetworkView:
        """As in the contract."""
        if not 0 <= seconds <= LONGEST_PERMIT_S:
            raise NotPermitted(f"{seconds:g} s is not between 0 and {LONGEST_PERMIT_S}")
        made = self._up(network)
        await made.permit(seconds, through=None if through is None else ieee_address(through))
        data = {"network": network, "seconds": seconds, "through": through, "by": asked_by}
        await self._site.journal.tell(Told("zigbee.permit", data=data))
        return self._view(network)

    async def interview(self, network: str, ieee: str, *, asked_by: str) -> JoinedView:
        """As in the contract."""
        address = ieee_address(ieee)
        log.info("network=%s node=%s is interviewed for %s", network, address, asked_by)
        facts = await self._up(network).interview(address)
        return self._joined(network, facts, self._whereabouts.of(network).get(address))

    async def dismiss(self, network: str, ieee: str, *, asked_by: str) -> NetworkView:
        """As in the contract."""
        address, made = ieee_address(ieee), self._up(network)
        name = self._whereabouts.of(network).get(address)
        if name is not None and self._supervisor.holds(name):
            raise NodeBusy(f"an attempt is open on {name}")
        await made.remove(address)
        data = {"network": network, "ieee": address, "by": asked_by}
        await self._site.journal.tell(Told("zigbee.left", node=name, data=data))
        return self._view(network)

    async def backups(self, network: str) -> Sequence[BackupView]:
        """As in the contract."""
        return [_backup(network, each) for each in await self._archived(network).backups()]

    async def back_up(self, network: str, *, asked_by: str) -> BackupView:
        """As in the contract."""
        self._up(network)
        log.info("network=%s is backed up for %s", network, asked_by)
        archived = self._archived(network)
        made = await archived.backup()
        return next(_backup(network, each) for each in await archived.backups() if each.path == made)

    async def restore(self, network: str, name: str, *, asked_by: str) -> NetworkView:
        """As in the contract."""
        archived = self._archived(network)
        kept = await archived.backups()
        found = next((each for each in kept if name in (each.path.name, each.path.stem)), None)
        if found is None:
            raise BackupUnknown(f"nothing called {name!r} is kept of {network}")
        busy = [each for each in self._whereabouts.of(network).values() if self._supervisor.holds(each)]
        if busy:
            raise NodeBusy(f"attempts are open in {network}: {', '.join(sorted(busy))}")
        await archived.restore(found.path)
        data = {"network": network, "backup": found.path.name, "by": asked_by}
        await self._site.journal.tell(Told("zigbee.restored", data=data))
        return self._view(network)

    async def zcl(self, request: ZclRequest, *, asked_by: str) -> ZclAnswer | None:
        """As in the contract."""
        if request.cluster == OTA:
            raise ClusterOurs
        address = ieee_address(request.ieee)
        frame = Zcl(
            cluster=request.cluster,
            command=request.command,
            payload=_bytes(request.payload),
            endpoint=request.endpoint,
            to_client=request.to_client,
            general=request.general,
            manufacturer=request.manufacturer,
        )
        link = self._up(request.network).node(address)
        log.debug("network=%s node=%s frame of %s: %s", request.network, address, asked_by, frame)
        try:
            if request.answer_within is None:
                await link.send(frame, acknowledged=True)
                return None
            answer = await link.ask(frame, within=request.answer_within)
        finally:
            await link.aclose()
        return ZclAnswer(answer.command, answer.payload.hex(), answer.general, answer.manufacturer)

    async def upgradable(self, name: str, *, downgrade: bool = False) -> Upgradable:
        """As in the contract."""
        for network in self._names():
            for ieee, node in self._whereabouts.of(network).items():
                if node == name or ieee == _address(name):
                    installed = self._offers.installed(node)
                    found = await self._offers.next(node, downgrade=downgrade)
                    return Upgradable(node, ieee, installed, found)
        raise NodeUnknown(f"{name!r} is no Zigbee node of this gateway")

    def frames(self) -> AsyncIterator[HeardFrame]:
        """As in the contract."""
        return self._frames.watch()

    # What is known

    def _names(self) -> tuple[str, ...]:
        return self._site.networks.names(self._whereabouts.networks())

    def _known(self, name: str) -> str:
        if name not in self._names():
            known = ", ".join(self._names()) or "none"
            raise NetworkUnknown(f"there is no Zigbee network {name!r}; there is: {known}")
        return name

    def _up(self, name: str) -> Network:
        """A network that works.  Raises NetworkUnknown, CoordinatorLost."""
        away = self._site.zigbee.away(self._known(name))
        made = self._site.zigbee.network(name)
        if away is not None or made is None:
            raise CoordinatorLost(
                away.message.removesuffix(".") if away is not None else f"{name} is not open"
            )
        return made

    def _archived(self, name: str) -> Archived:
        made = self._site.zigbee.network(self._known(name))
        if not isinstance(made, Archived):
            raise NotRestorable(f"nothing is kept of {name}")
        return made

    def _view(self, name: str) -> NetworkView:
        site = self._site
        made, settings = site.zigbee.network(name), site.networks.settings.get(name)
        state = made.state if made is not None else None
        trouble = site.zigbee.away(name)
        joined = made.nodes() if made is not None else {}
        return NetworkView(
            name=name,
            radio=settings.radio.value if settings is not None else "",
            path=settings.path if settings is not None else "",
            up=trouble is None,
            trouble="" if trouble is None else trouble.message,
            channel=state.channel if state is not None else None,
            pan_id=state.pan_id if state is not None else None,
            extended_pan_id=state.extended_pan_id if state is not None else None,
            coordinator=state.coordinator if state is not None else None,
            firmware=state.firmware if state is not None else "",
            joining_s=state.joining_for if state is not None else 0.0,
            nodes=len(joined),
            ours=sum(ieee in joined for ieee in self._whereabouts.of(name)),
            at_once=site.networks.concurrent(name),
        )

    def _joined(self, network: str, facts: NodeFacts, node: str | None) -> JoinedView:
        heard = None if facts.last_heard is None else asyncio.get_running_loop().time() - facts.last_heard
        if heard is None:
            heard = self._site.zigbee.hearing.ago(f"zigbee:{network}#{facts.ieee}")
        if heard is None and facts.last_seen_unix is not None:
            now = self._site.clock()
            heard = max(0.0, now.unix_ms / 1000 - facts.last_seen_unix) if now.synchronised else None
        types = self._types.of(facts) if node is None else ()
        link = f"zigbee:{network}#{facts.ieee}"
        name = f"{(facts.model or 'node').replace(' ', '-').lower()}-{facts.ieee.replace(':', '')[-4:]}"
        return JoinedView(
            network=network,
            ieee=facts.ieee,
            nwk=facts.nwk,
            node=node,
            sleepy=facts.sleepy,
            mains=facts.mains,
            interviewed=facts.interviewed,
            manufacturer_code=facts.manufacturer_code,
            manufacturer=facts.manufacturer,
            model=facts.model,
            ota=any(OTA in clusters for clusters in facts.clients.values()),
            lqi=facts.lqi,
            hops=facts.hops,
            heard_s=heard,
            profiles=types,
            adopt=tuple(f"tender node adopt {name} --profile {each} --link '{link}'" for each in types),
        )


def _backup(network: str, kept: BackupFile) -> BackupView:
    made = None
    try:
        moment = datetime.fromisoformat(kept.made)
        made = Stamp(round(moment.timestamp() * 1000), synchronised=False)
    except ValueError:
        pass  # others write what they like; it is for people alone
    return BackupView(network, kept.path.stem, made, kept.coordinator, kept.nodes)


def _address(text: str) -> str | None:
    """An address as it is written here; None if it is a name."""
    try:
        return ieee_address(text)
    except BadLink:
        return None


def _bytes(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise BadPayload(f"{text!r} is not hexadecimal") from error
    if len(data) > _LONGEST_PAYLOAD:
        raise BadPayload(f"{len(data)} bytes are more than {_LONGEST_PAYLOAD}")
    return data
