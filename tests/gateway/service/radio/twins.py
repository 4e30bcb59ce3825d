"""Several gateways on one virtual air, each with its own disk and adapter, in one virtual time.

Each can be killed and started again while the others go on: every task knows whose it is.
"""

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from gateway.app import make_site
from gateway.journal import Database
from gateway.model.views import Event
from gateway.service.gateway import Gateway
from gateway.upstream.mqtt import MqttUpstream
from tests.gateway.service.airsite import QUICK, AirRunning, RadioBench
from tests.gateway.service.radio.board import Board
from transports.ble.adapters import Adapters, AdapterSettings
from transports.ble.backend import Backend, HciBackend
from transports.ble.hci import HciAdapter
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.clock import run_virtual

_WHOSE: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="")
_TASKS: "WeakKeyDictionary[asyncio.Task[Any], str]" = WeakKeyDictionary()


def _made(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **more)
    code = getattr(work, "cr_code", None)
    of_the_node = code is not None and code.co_filename.endswith("/air/node.py")
    _TASKS[task] = "" if of_the_node else _WHOSE.get()
    return task


class Twin(RadioBench):
    """One gateway's disk, configuration and adapter; ``board`` is None for a site without upstream."""

    def __init__(self, world: "World", name: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        super().__init__(folder, QUICK)
        self.world = world
        self.name = name
        self.air = world.air
        self.settings["gateway"] = {"name": name}
        self.settings["adapters"] = {name: {"hci": "tcp:127.0.0.1:9", "scan": 10}}
        if world.url is not None:
            quick = {"retry_first": 0.05, "retry_cap": 0.2, "status_settle": 0.05}
            self.settings["upstream"] = {"mqtt": {"url": world.url, **quick}}
        self.database: Callable[[Path], Database] = Database
        self.running: AirRunning | None = None
        self.events: list[Event] = []
        self._stack: AsyncExitStack | None = None

    async def _made(self, name: str, settings: AdapterSettings) -> Backend:
        del settings
        old = self.controllers.get(name)
        if old is not None:
            old.forget()
            self.air.remove_controller(old)
        number = list(self.world.twins).index(self.name)
        address = f"00:11:22:33:{number:02X}:00"
        controller = RadioController(name, link=self.air, public_address=address, station=name)
        self.controllers[name] = controller
        return self.spoil(name, HciBackend(HciAdapter(controller, controller, address, name)))

    async def start(self) -> AirRunning:
        """Begin; every task from here on is this gateway's."""
        context = contextvars.copy_context()
        context.run(_WHOSE.set, self.name)
        loop = asyncio.get_running_loop()
        return await loop.create_task(self._start(), context=context)

    async def _start(self) -> AirRunning:
        config = self.config()
        adapters = Adapters(
            {each: table.settings for each, table in config.adapters.items()}, make=self._made
        )
        self._stack = AsyncExitStack()
        site = await make_site(
            config, self._stack, node_types=self.types(), adapters=adapters, database=self.database
        )
        gateway = Gateway(site, first_look_s=5.0)
        self.running = AirRunning(gateway)
        site.journal.listen(self.events.append)
        await gateway.start()
        self.running.work = asyncio.create_task(gateway.run())
        if self.world.board is not None:
            asyncio.create_task(self.world.board.serve(self.name, gateway.discovery.owners))  # noqa: RUF006
        elif config.upstream.mqtt is not None:
            upstream = MqttUpstream(config.upstream.mqtt)
            asyncio.create_task(upstream.run(gateway, gateway.outbox, gateway.discovery.owners))  # noqa: RUF006
        return self.running

    async def kill(self) -> None:
        """Gone, wherever it was; what its journal has is all that is left."""
        ours = [task for task in asyncio.all_tasks() if _TASKS.get(task) == self.name]
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours)
        for controller in self.controllers.values():
            controller.forget()
        stack, self._stack, self.running = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    @property
    def owners(self) -> Any:
        """Who keeps this gateway's claims."""
        assert self.running is not None
        return self.running.gateway.discovery.owners

    def owns(self, node: str) -> bool:
        """Whether it would act on a node, as it sees it now."""
        return self.running is not None and self.running.gateway.site.not_ours(node) is None

    def told(self, kind: str) -> list[Event]:
        """Everything of this kind that it ever told."""
        return [event for event in self.events if event.kind == kind]


class World:
    """One air, one broker or none, and gateways by name; ``url`` is that of a real broker."""

    def __init__(self, folder: Path, *names: str, upstream: bool = True, url: str | None = None) -> None:
        self.folder = folder
        self.air = Air(QUICK)
        self.board = Board() if upstream and url is None else None
        self.url = url if url is not None or not upstream else "mqtt://127.0.0.1:9"
        self.twins: dict[str, Twin] = {}
        for name in names:
            self.twins[name] = Twin(self, name, folder / name)

    def __getitem__(self, name: str) -> Twin:
        return self.twins[name]

    def node(self, name: str, *, known: bool = True, **more: Any) -> Any:
        """Put a node on the air; ``known``: it is in every gateway's file."""
        first, *others = self.twins.values()
        node = first.on_air(name, adapter=first.name, **more)
        address = first.address(name)
        for twin in others:
            twin.radios[name], twin.nodes[name] = first.radios[name], node
            twin.tables[name] = {**first.tables[name], "link": f"ble:{twin.name}#{address}"}
        if not known:
            for twin in self.twins.values():
                del twin.tables[name]
        return node

    def link(self, twin: str, node: str) -> str:
        """A node's link, as a gateway has it."""
        return f"ble:{twin}#{next(iter(self.twins.values())).address(node)}"

    def owners(self, node: str) -> list[str]:
        """Every gateway that would act on a node; more than one is a war."""
        found = [
            name
            for name, twin in self.twins.items()
            if twin.running and node in twin.running.gateway.site.nodes
        ]
        return [name for name in found if self[name].owns(node)]

    async def start(self) -> None:
        """All of them, at the same moment."""
        await asyncio.gather(*(twin.start() for twin in self.twins.values()))

    async def until(self, condition: Callable[[], object], *, within: float = 600.0) -> None:
        """Wait (in virtual time); meanwhile no node ever has two owners."""
        async with asyncio.timeout(within):
            while not condition():
                self.no_war()
                await asyncio.sleep(max(0.05, within / 5000))
        self.no_war()

    def no_war(self) -> None:
        """No node has two owners."""
        names = {
            name for twin in self.twins.values() if twin.running for name in twin.running.gateway.site.nodes
        }
        for node in names:
            assert len(self.owners(node)) < 2, f"{node} has {self.owners(node)}"

    async def aclose(self) -> None:
        """The end of the world."""
        for twin in self.twins.values():
            await twin.kill()
        radios: dict[int, AirNode] = {}
        for twin in self.twins.values():
            radios |= {id(radio): radio for radio in twin.radios.values()}
        for radio in radios.values():
            await radio.aclose()


@asynccontextmanager
async def made(
    folder: Path, *names: str, upstream: bool = True, url: str | None = None
) -> AsyncIterator[World]:
    """A world with these gateways, not started."""
    asyncio.get_running_loop().set_task_factory(_made)
    world = World(folder, *names, upstream=upstream, url=url)
    try:
        yield world
    finally:
        await world.aclose()
        asyncio.get_running_loop().set_task_factory(None)


def in_world(
    *names: str, upstream: bool = True
) -> Callable[[Callable[[World], Coroutine[Any, Any, None]]], Callable[[Path], None]]:
    """Run a test in a world with these gateways, not started."""

    def decorate(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
        def run(tmp_path: Path) -> None:
            async def main() -> None:
                async with made(tmp_path, *names, upstream=upstream) as world:
                    await test(world)

            run_virtual(main())

        functools.update_wrapper(run, test)
        del run.__wrapped__  # type: ignore[attr-defined] # pytest would ask for the test's own arguments
        return run

    return decorate
