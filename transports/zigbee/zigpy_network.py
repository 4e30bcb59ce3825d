"""A Zigbee network over a real coordinator, by zigpy and the radio library for it.

The network is there as long as the gateway is: its nodes are known from its database also while
the coordinator is not.  Each time that the coordinator comes up is a *life* with an application of
zigpy of its own; when it goes away, links of that life raise LinkLost, and it is opened anew, ever
more patiently.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import zigpy.types as t
from zigpy.device import ZigbeeDevice

from transports.errors import NodeUnreachable, TenderError
from transports.zcl import NodeFacts, Zcl, ZigbeeLink
from transports.zigbee.air import Air
from transports.zigbee.application import Application
from transports.zigbee.backups import BackupFile, Backups, load
from transports.zigbee.errors import CoordinatorLost
from transports.zigbee.facts import facts_of
from transports.zigbee.founding import Found
from transports.zigbee.life import Life, closed, come_up, loaded, restored
from transports.zigbee.network import NetworkState, StandIn
from transports.zigbee.networks import NetworkSettings
from transports.zigbee.poll_control import check_in_response
from transports.zigbee.traffic import Traffic
from transports.zigbee.verbs import Joining, admit, forget, interview, permit, while_up
from transports.zigbee.zigpy_link import ZigpyLink

log = logging.getLogger(__name__)

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what, in seconds.

    Between two tries to open the coordinator ``first``, then twice as long each time up to ``most``;
    ``watchdog`` is how often it is asked whether it lives (None: as the radio library thinks right);
    ``backup`` passes after a change before a backup is made.
    """

    first: float = 1.0
    most: float = 60.0
    watchdog: float | None = None
    backup: float = 60.0


class ZigpyNetwork:
    """One network; made by :meth:`opened`."""

    def __init__(self, name: str, settings: NetworkSettings, folder: Path, patience: Patience) -> None:
        self._name = name
        self._settings = settings
        self._folder = folder
        self._patience = patience
        self._backups = Backups(folder / "backups")
        self._traffic = Traffic(self._answer, self._checked_in)
        self._heard: dict[str, float] = {}
        self._facts: dict[str, NodeFacts] = {}
        self._state = NetworkState(up=False)
        self._joining = Joining()
        self._listeners: list[Callable[[], None]] = []
        self._app: Application | None = None
        self._life: Life | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._backup_due = asyncio.Event()

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
        network._app = await network._loaded()
        network._begin()
        return network

    @property
    def name(self) -> str:
        """As in the configuration."""
        return self._name

    @property
    def state(self) -> NetworkState:
        """How it is now."""
        return replace(self._state, joining_for=self._joining.left if self._state.up else 0.0)

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
        return ZigpyLink(ieee, self._life.air if self._life else None, self._traffic, self._facts_now)

    def nodes(self) -> Mapping[str, NodeFacts]:
        """Everybody who joined, the coordinator left out."""
        if self._app is not None:
            found = (facts_of(each, self._heard.get(str(each.ieee))) for each in self._devices(self._app))
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
        app = self._up()
        router = None if through is None else self._known(through)
        await while_up(app, permit(app, seconds, router))
        self._joining.begin(seconds)
        self._tell()

    async def admit(self, ieee: str, install_code: bytes, seconds: float) -> None:
        """Let the one node join that has this install code, its check sum included.

        Raises:
            CoordinatorLost, NetworkTrouble: it was not done.
        """
        life = self._life
        app = self._up()
        await admit(app, ieee, install_code, seconds, life.air.run if life else asyncio.ensure_future)
        self._joining.begin(seconds)
        self._tell()

    async def interview(self, ieee: str) -> NodeFacts:
        """Ask a node anew what it is.

        Raises:
            CoordinatorLost, NodeUnreachable: it was not done.
        """
        app = self._up()
        await while_up(app, interview(app, self._known(ieee)))
        self._changed()
        return self._facts_now(ieee)

    async def remove(self, ieee: str) -> None:
        """Have a node leave, and forget it; one that does not answer is forgotten all the same.

        Raises:
            CoordinatorLost, NodeUnreachable: it was not done.
        """
        app = self._up()
        await while_up(app, forget(app, self._known(ieee)))
        self._heard.pop(ieee, None)
        self._changed()

    # Backups

    async def backups(self) -> tuple[BackupFile, ...]:
        """The backups that can be restored, the newest first."""
        return await asyncio.to_thread(self._backups.list)

    async def backup(self) -> Path:
        """Make one now.

        Raises:
            CoordinatorLost: the coordinator has to be asked, and is not there.
        """
        app = self._up()
        try:
            kept = await while_up(app, app.backups.create_backup(load_devices=True))
            made = kept.as_open_coordinator_json()
        except TenderError:
            raise
        except Exception as error:
            raise CoordinatorLost(f"the coordinator could not be read: {error!r}") from error
        return await asyncio.to_thread(self._backups.write, made)

    async def restore(self, path: Path) -> None:
        """Put a backup onto the coordinator, over whatever it holds, and go on with it.

        Raises:
            CoordinatorLost: the coordinator is not there.
            NetworkTrouble: the backup cannot be read, or the coordinator does not take it.
        """
        content = await asyncio.to_thread(load, path)
        await self._end()
        try:
            await restored(self._settings, self._folder, content)
        finally:
            self._begin()

    async def aclose(self) -> None:
        """Let go of the coordinator; never raises."""
        await self._end()

    # Lives

    def _begin(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _end(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})
        await self._let_go()

    async def _keep(self) -> None:
        pause = self._patience.first
        while True:
            try:
                life = await self._come_up()
            except TenderError as error:
                if error.message != self._state.trouble:
                    log.info("network=%s is not up: %s (%s)", self._name, error.message, error.code)
                self._is(replace(self._state, up=False, trouble=error.message, remedy=error.what_to_do))
            except Exception as error:  # one that is tried again is better than one that is dead
                log.exception("network=%s did not come up", self._name)
                self._is(replace(self._state, up=False, trouble=repr(error), remedy=TenderError.remedy))
            else:
                pause = self._patience.first
                await self._live(life)
                log.info("network=%s lost its coordinator: %r", self._name, life.app.why_lost)
                self._is(
                    replace(
                        self._state,
                        up=False,
                        trouble="the coordinator went away",
                        remedy=CoordinatorLost.remedy,
                    )
                )
            await self._let_go()
            await asyncio.sleep(pause)
            pause = min(self._patience.most, pause * 2)

    async def _come_up(self) -> Life:
        app = self._app or await self._loaded()
        self._app = app
        found = await come_up(app, self._name, self._settings)
        life = self._life = Life(app, Air(app), found)
        network, node = app.state.network_info, app.state.node_info
        self._is(
            NetworkState(
                up=True,
                channel=int(network.channel),
                pan_id=int(network.pan_id),
                extended_pan_id=str(network.extended_pan_id).lower(),
                coordinator=str(node.ieee),
                firmware=" ".join(
                    str(each) for each in (node.manufacturer, node.model, node.version) if each
                ),
            )
        )
        return life

    async def _live(self, life: Life) -> None:
        """Until the coordinator is lost."""
        backups = asyncio.get_running_loop().create_task(self._keep_backups(life))
        try:
            await life.app.lost.wait()
        finally:
            backups.cancel()
            await asyncio.wait({backups})

    async def _keep_backups(self, life: Life) -> None:
        """One at once where there is none, then one a day, and one some time after something has changed."""
        if life.found is not Found.RESUME or not await asyncio.to_thread(self._backups.list):
            await self._back_up()
        self._backup_due.clear()
        while True:
            try:
                async with asyncio.timeout(DAY):
                    await self._backup_due.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(self._patience.backup)
            self._backup_due.clear()
            await self._back_up()

    async def _back_up(self) -> None:
        try:
            path = await self.backup()
        except (TenderError, OSError) as error:
            log.warning("network=%s no backup was made: %s", self._name, error)
        else:
            log.info("network=%s backup=%s", self._name, path.name)
            self._tell()

    async def _let_go(self) -> None:
        life, self._life = self._life, None
        if life is not None:
            life.air.end()
            self._traffic.lost()
        app = self._app
        if app is not None:
            self.nodes()  # what is known stays known
            self._app = None
            await closed(app)
        self._joining.end()

    async def _loaded(self) -> Application:
        app = await loaded(self._settings, self._folder)
        app.opened_for(self._traffic, self._heard, self._changed)
        if self._patience.watchdog is not None:
            app._watchdog_period = self._patience.watchdog  # type: ignore[assignment]  # noqa: SLF001
        return app

    # Small things

    def _answer(self, ieee: str, frame: Zcl) -> "asyncio.Task[None]":
        life = self._life
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
        held = self._state.coordinator
        return [
            each
            for each in app.devices.values()
            if isinstance(each, ZigbeeDevice)
            and each.ieee != coordinator
            and str(each.ieee) != held
            and each.nwk
        ]

    def _device(self, ieee: str) -> "ZigbeeDevice | NodeFacts | None":
        if self._app is None:
            return self._facts.get(ieee)
        device = self._app.devices.get(t.EUI64.convert(ieee))
        return device if isinstance(device, ZigbeeDevice) and device.nwk else None

    def _known(self, ieee: str) -> ZigbeeDevice:
        device = self._device(ieee)
        if not isinstance(device, ZigbeeDevice):
            raise NodeUnreachable(f"{ieee} is no node of the network {self._name!r}")
        return device

    def _facts_now(self, ieee: str) -> NodeFacts:
        device = self._device(ieee)
        if isinstance(device, ZigbeeDevice):
            self._facts[ieee] = facts_of(device, self._heard.get(ieee))
        return self._facts[ieee]

    def _up(self) -> Application:
        if self._life is None or self._life.app.lost.is_set():
            why = self._state.trouble or "it is being opened"
            raise CoordinatorLost(f"the network {self._name!r} is not up: {why}")
        return self._life.app

    def _is(self, state: NetworkState) -> None:
        if state != self._state:
            self._state = state
            self._tell()

    def _changed(self) -> None:
        self._backup_due.set()
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception:  # one that stumbles must not keep it from the others
                log.exception("network=%s a listener stumbled over a change", self._name)
