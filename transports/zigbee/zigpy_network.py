"""A Zigbee network over a real coordinator, by zigpy and the radio library for it.

The network is there as long as the gateway is: its nodes are known from its database also while
the coordinator is not (see :mod:`.keeping`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import zigpy.types as t
from zigpy.device import ZigbeeDevice

from transports.errors import NodeUnreachable
from transports.zcl import NodeFacts, Zcl, ZigbeeLink
from transports.zigbee.application import Application
from transports.zigbee.backups import BackupFile, load
from transports.zigbee.facts import facts_of
from transports.zigbee.keeping import Keeper, Patience
from transports.zigbee.network import NetworkState, StandIn
from transports.zigbee.networks import NetworkSettings
from transports.zigbee.poll_control import check_in_response
from transports.zigbee.traffic import Traffic
from transports.zigbee.verbs import Joining, admit, forget, interview, permit, while_up
from transports.zigbee.zigpy_link import ZigpyLink

log = logging.getLogger(__name__)


class ZigpyNetwork:
    """One network; made by :meth:`opened`."""

    def __init__(self, name: str, settings: NetworkSettings, folder: Path, patience: Patience) -> None:
        self._name = name
        self._traffic = Traffic(self._answer, self._checked_in)
        self._facts: dict[str, NodeFacts] = {}
        self._joining = Joining()
        self._listeners: list[Callable[[], None]] = []
        self._keeper = Keeper(
            name, settings, folder, patience,
            traffic=self._traffic, tell=self._tell, closing=self._remember,
        )  # fmt: skip

    @classmethod
    async def opened(
        cls, name: str, settings: NetworkSettings, folder: Path, patience: Patience | None = None
    ) -> "ZigpyNetwork":
        """The network with its nodes, from its folder; its radio is opened as soon as the caller waits.

        Raises:
            BadLink: the radio's library is not installed.
            NetworkTrouble: its database cannot be read.
        """
        network = cls(name, settings, folder, patience or Patience())
        await network._keeper.load()
        network._keeper.begin()
        return network

    @property
    def name(self) -> str:
        """As in the configuration."""
        return self._name

    @property
    def state(self) -> NetworkState:
        """How it is now."""
        return replace(self._keeper.state, joining_for=self._joining.left if self._keeper.state.up else 0.0)

    # Nodes

    def node(self, ieee: str) -> ZigbeeLink:
        """One node, for the length of a lease.

        Raises:
            NodeUnreachable: it is none of this network's.
        """
        if self._device(ieee) is None:
            raise NodeUnreachable(
                f"{ieee} is no node of the network {self._name!r}",
                remedy="Let it join: `tender zigbee permit`, then reset the node.",
            )
        return ZigpyLink(
            ieee, self._keeper.life.air if self._keeper.life else None, self._traffic, self._facts_now
        )

    def nodes(self) -> Mapping[str, NodeFacts]:
        """Everybody who joined, the coordinator left out."""
        if self._keeper.app is not None:
            found = (
                facts_of(each, self._keeper.heard.get(str(each.ieee)))
                for each in self._devices(self._keeper.app)
            )
            self._facts = {each.ieee: each for each in found}
        return self._facts

    def stand_in(self, answer: StandIn) -> None:
        """Who answers OTA requests of nodes that nobody listens to; nobody does until this was said."""
        self._traffic.stand_in(answer)

    def wants_fast_poll(self, wanted: Callable[[str], bool]) -> None:
        """Whom to ask whether a sleepy node that checks in shall stay awake; whoever waits for it counts."""
        self._traffic.wants_fast_poll(wanted)

    def hear(self, listener: Callable[[str, Zcl | None], None]) -> Callable[[], None]:
        """Call ``listener`` with every sign of life of every node; returns what ends it."""
        return self._traffic.hear(listener)

    def changed(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` when its state changed, or a node came or left; returns what ends it."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    # What is done with the network

    async def permit(self, seconds: float, *, through: str | None = None) -> None:
        """Let nodes join for so long (at most 254 s; 0 ends it), through one router or all.

        Raises:
            CoordinatorLost, NetworkTrouble, NodeUnreachable: it was not done.
        """
        app = self._keeper.up()
        router = None if through is None else self._known(through)
        await while_up(app, permit(app, seconds, router))
        self._joining.begin(seconds)
        self._tell()

    async def admit(self, ieee: str, install_code: bytes, seconds: float) -> None:
        """Let the one node join that has this install code, its check sum included.

        Raises:
            CoordinatorLost, NetworkTrouble: it was not done.
        """
        life = self._keeper.life
        app = self._keeper.up()
        await admit(app, ieee, install_code, seconds, life.air.run if life else asyncio.ensure_future)
        self._joining.begin(seconds)
        self._tell()

    async def interview(self, ieee: str) -> NodeFacts:
        """Ask a node anew what it is.

        Raises:
            CoordinatorLost, NodeUnreachable: it was not done.
        """
        app = self._keeper.up()
        await while_up(app, interview(app, self._known(ieee)))
        self._keeper.changed()
        return self._facts_now(ieee)

    async def remove(self, ieee: str) -> None:
        """Have a node leave, and forget it; one that does not answer is forgotten all the same.

        Raises:
            CoordinatorLost, NodeUnreachable: it was not done.
        """
        app = self._keeper.up()
        await while_up(app, forget(app, self._known(ieee)))
        self._keeper.heard.pop(ieee, None)
        self._keeper.changed()

    # Backups

    async def backups(self) -> tuple[BackupFile, ...]:
        """The backups that can be restored, the newest first."""
        return await asyncio.to_thread(self._keeper.backups.list)

    async def backup(self) -> Path:
        """Make one now.

        Raises:
            CoordinatorLost: the coordinator has to be asked, and is not there.
        """
        return await self._keeper.backup()

    async def restore(self, path: Path) -> None:
        """Put a backup onto the coordinator, over whatever it holds, and go on with it.

        Raises:
            CoordinatorLost: the coordinator is not there.
            NetworkTrouble: the backup cannot be read, or the coordinator does not take it.
        """
        await self._keeper.restore(await asyncio.to_thread(load, path))

    async def aclose(self) -> None:
        """Let go of the coordinator; never raises."""
        await self._keeper.end()

    # Small things

    def _answer(self, ieee: str, frame: Zcl) -> "asyncio.Task[None]":
        life = self._keeper.life
        if life is None:
            return asyncio.ensure_future(asyncio.sleep(0))
        return life.air.send_later(ieee, frame)

    def _checked_in(self, ieee: str, frame: Zcl) -> None:
        device = self._device(ieee)
        stay = self._traffic.stays_awake(ieee) or (
            isinstance(device, ZigbeeDevice) and (device.initializing or device.reinterviewing)
        )
        self._answer(ieee, check_in_response(frame, stay=stay))

    def _devices(self, app: Application) -> list[ZigbeeDevice]:
        coordinator = app.state.node_info.ieee
        held = self._keeper.state.coordinator
        return [
            each
            for each in app.devices.values()
            if isinstance(each, ZigbeeDevice)
            and each.ieee != coordinator
            and str(each.ieee) != held
            and each.nwk
        ]

    def _device(self, ieee: str) -> "ZigbeeDevice | NodeFacts | None":
        if self._keeper.app is None:
            return self._facts.get(ieee)
        device = self._keeper.app.devices.get(t.EUI64.convert(ieee))
        return device if isinstance(device, ZigbeeDevice) and device.nwk else None

    def _known(self, ieee: str) -> ZigbeeDevice:
        device = self._device(ieee)
        if not isinstance(device, ZigbeeDevice):
            raise NodeUnreachable(f"{ieee} is no node of the network {self._name!r}")
        return device

    def _facts_now(self, ieee: str) -> NodeFacts:
        device = self._device(ieee)
        if isinstance(device, ZigbeeDevice):
            self._facts[ieee] = facts_of(device, self._keeper.heard.get(ieee))
        return self._facts[ieee]

    def _remember(self, app: Application) -> None:
        """What is known of nodes stays known while the coordinator is away."""
        self.nodes()
        self._joining.end()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception:  # one that stumbles must not keep it from the others
                log.exception("network=%s a listener stumbled over a change", self._name)
