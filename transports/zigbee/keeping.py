"""Keeping a network up: one life of its coordinator after the other, and backups of what it is.

Each time that the coordinator comes up is a *life* with an application of zigpy of its own.  When
it goes away, links of that life raise LinkLost, and it is opened anew, ever more patiently.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transports.errors import TenderError
from transports.zigbee.air import Air
from transports.zigbee.application import Application
from transports.zigbee.backups import Backups
from transports.zigbee.errors import CoordinatorLost
from transports.zigbee.founding import Found
from transports.zigbee.life import Life, closed, come_up, loaded, restored
from transports.zigbee.network import NetworkState
from transports.zigbee.networks import NetworkSettings
from transports.zigbee.traffic import Traffic
from transports.zigbee.verbs import while_up

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


class Keeper:
    """What a network is by now: its state, and its application, which knows its nodes.

    Args:
        name: as in the configuration.
        settings: which coordinator.
        folder: where the database and the backups are.
        patience: how long is waited for what.
        traffic: where frames go.
        tell: called when the state changed, or a node came or left.
        closing: called with an application before it goes, to remember what it knows.
    """

    def __init__(
        self,
        name: str,
        settings: NetworkSettings,
        folder: Path,
        patience: Patience,
        *,
        traffic: Traffic,
        tell: Callable[[], None],
        closing: Callable[[Application], None],
    ) -> None:
        self._name = name
        self._settings = settings
        self._folder = folder
        self._patience = patience
        self._traffic = traffic
        self._tell = tell
        self._closing = closing
        self.backups = Backups(folder / "backups")
        self.heard: dict[str, float] = {}
        self.state = NetworkState(up=False)
        self.app: Application | None = None
        self.life: Life | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._backup_due = asyncio.Event()

    async def load(self) -> None:
        """Learn from the database who is in the network; the radio is not opened.

        Raises:
            BadLink: the radio's library is not installed.
            NetworkTrouble: the database cannot be read.
        """
        self.app = await self._loaded()

    def up(self) -> Application:
        """The started application.

        Raises:
            CoordinatorLost: there is none.
        """
        if self.life is None or self.life.app.lost.is_set():
            why = self.state.trouble or "it is being opened"
            raise CoordinatorLost(f"the network {self._name!r} is not up: {why}")
        return self.life.app

    def changed(self) -> None:
        """A node came, was interviewed, or left."""
        self._backup_due.set()
        self._tell()

    async def backup(self) -> Path:
        """Make one now.

        Raises:
            CoordinatorLost: the coordinator has to be asked, and is not there.
        """
        app = self.up()
        try:
            kept = await while_up(app, app.backups.create_backup(load_devices=True))
            made = kept.as_open_coordinator_json()
        except TenderError:
            raise
        except Exception as error:
            raise CoordinatorLost(f"the coordinator could not be read: {error!r}") from error
        return await asyncio.to_thread(self.backups.write, made)

    async def restore(self, content: dict[str, Any]) -> None:
        """Put a backup onto the coordinator, over whatever it holds, and go on with it.

        Raises:
            CoordinatorLost: the coordinator is not there.
            NetworkTrouble: the backup cannot be read, or the coordinator does not take it.
        """
        await self.end()
        try:
            await restored(self._settings, self._folder, content)
        finally:
            self.begin()

    def begin(self) -> None:
        """Keep it up from now on."""
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def end(self) -> None:
        """Let go of the coordinator."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait({keeping})
        await self._let_go()

    async def _keep(self) -> None:
        pause = self._patience.first
        while True:
            try:
                life = await self._come_up()
            except TenderError as error:
                if error.message != self.state.trouble:
                    log.info("network=%s is not up: %s (%s)", self._name, error.message, error.code)
                self._is(replace(self.state, up=False, trouble=error.message, remedy=error.what_to_do))
            except Exception as error:  # one that is tried again is better than one that is dead
                log.exception("network=%s did not come up", self._name)
                self._is(replace(self.state, up=False, trouble=repr(error), remedy=TenderError.remedy))
            else:
                pause = self._patience.first
                await self._live(life)
                log.info("network=%s lost its coordinator: %r", self._name, life.app.why_lost)
                self._is(
                    replace(
                        self.state,
                        up=False,
                        trouble="the coordinator went away",
                        remedy=CoordinatorLost.remedy,
                    )
                )
            await self._let_go()
            await asyncio.sleep(pause)
            pause = min(self._patience.most, pause * 2)

    async def _come_up(self) -> Life:
        app = self.app or await self._loaded()
        self.app = app
        found = await come_up(app, self._name, self._settings)
        life = self.life = Life(app, Air(app), found)
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
        if life.found is not Found.RESUME or not await asyncio.to_thread(self.backups.list):
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
        life, self.life = self.life, None
        if life is not None:
            life.air.end()
            self._traffic.lost()
        app = self.app
        if app is not None:
            self._closing(app)
            self.app = None
            await closed(app)

    async def _loaded(self) -> Application:
        app = await loaded(self._settings, self._folder)
        app.opened_for(self._traffic, self.heard, self.changed)
        if self._patience.watchdog is not None:
            app._watchdog_period = self._patience.watchdog  # type: ignore[assignment]  # noqa: SLF001
        return app

    def _is(self, state: NetworkState) -> None:
        if state != self.state:
            self.state = state
            self._tell()
