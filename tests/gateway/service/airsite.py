"""The bench of a service with a radio: nodes on the virtual air in process, adapters handed in, virtual time.

The air and its nodes outlive the gateway, as they do at a site: what a gateway leaves
behind when it is killed are connections that nobody answers on.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from flashers.api import VirtualSetup, radio_node
from gateway.app import make_site
from gateway.model.links import LinkView
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.service.gateway import Gateway
from gateway.service.node_types import NodeTypes
from tests.gateway.service.site import DFU, OLD, PROFILES, SENSOR, THERMO, Bench, Running, firmware
from transports.ble.adapters import Adapters, AdapterSettings
from transports.ble.backend import Backend, HciBackend
from transports.ble.hci import HciAdapter
from transports.virtual.air.air import Air
from transports.virtual.air.battery import Battery
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import Timing
from transports.virtual.clock import run_virtual

QUICK = Timing(interval=0.05, packets=30)
"""As fast as a real one and with fewer events, so that an hour of it takes seconds."""
MAIN, SECOND = "main", "second"

_PROFILE = (
    PROFILES[SENSOR]
    .replace('"sensor"', f'"{THERMO}"')
    .replace('reset = "dtr"\n[evidence]', 'media = ["ble"]\n[evidence]')
    .replace('reset = "dtr"\n', "")
)
_DFU = f"""
schema = 1
name = "{DFU}"
flasher = "nordic_dfu"
media = ["ble"]
hardware = ["{DFU}"]
format = "nordic-dfu-zip"
reset_by = "none"
rollback = ["reflash"]
[evidence]
transfer = ["checksum"]
boot = ["version"]
[timing]
boot_deadline = 20.0
patience = 20.0
soak = 1.0
soak_interval = 0.5
[[health]]
kind = "version"
[params]
protocol = "legacy"
banks = "single"
entry = "unbonded"
version_rule = "off"
version_text = "decimal"
reply_timeout = 1.0
boot_deadline = 5.0
loader_deadline = 5.0
"""
"""One bank, and a loader that every node of the type calls ``DfuTarg``."""
_OPTIONS = {
    THERMO: {"page": "256", "slot-pages": "6"},
    DFU: {"page": "256", "pages": "4"},
}


class RadioBench(Bench):
    """A folder, an air with adapters and nodes, and gateways that come and go.

    ``radio`` is what the profile's ``[radio]`` table says.  ``spoil`` may put something in
    the place of an adapter's Bluetooth.
    """

    def __init__(self, folder: Path, timing: Timing = QUICK) -> None:
        super().__init__(folder)
        self.air = Air(timing)
        self.radios: dict[str, AirNode] = {}
        self.batteries: dict[str, Battery] = {}
        self.controllers: dict[str, RadioController] = {}
        self.spoil: Callable[[str, Backend], Backend] = lambda _, backend: backend
        self.settings["adapters"] = {MAIN: {"hci": "tcp:127.0.0.1:9"}}
        self.profile()

    def profile(self, *, radio: str = "", timing: str = "", swap: Mapping[str, str] | None = None) -> None:
        """Say something else of the node type."""
        text = _PROFILE.replace("[params]", f"[radio]\n{radio}\n[params]")
        for old, new in (swap or {}).items():
            assert old in text, old
            text = text.replace(old, new)
        (self.profiles / f"{THERMO}.toml").write_text(text)
        (self.profiles / f"{DFU}.toml").write_text(_DFU)

    def address(self, name: str) -> str:
        """A node's own address."""
        return f"C0:00:00:00:{list(self.radios).index(name):02X}:10"

    def on_air(
        self,
        name: str,
        kind: str = THERMO,
        *,
        version: str = OLD,
        adapter: str = MAIN,
        options: Mapping[str, str] | None = None,
        battery: int | None = None,
    ) -> Any:
        """Put a node on the air."""
        node_type = NodeTypes(load_profiles([self.profiles], Registry())).get(kind)
        node = node_type.plugin.virtual_node(
            VirtualSetup(
                node_type.params,
                flash={"app": firmware(kind, version)},
                options={**_OPTIONS[kind], **(options or {})},
                name=name,
            )
        )
        address = f"C0:00:00:00:{len(self.radios):02X}:10"
        peer = radio_node(node).radio(name, address)
        if battery is not None:
            self.batteries[name] = peer = Battery(peer, battery)
        self.radios[name] = AirNode(self.air, peer, name)
        self.nodes[name] = node
        self.tables[name] = {"profile": kind, "link": f"ble:{adapter}#{address}", "labels": {}}
        return node

    def reach(self, name: str, *, reach: bool, adapter: str = MAIN) -> None:
        """Carry a node out of the adapter's reach, or back."""
        self.air.set_reach(self.radios[name], adapter, reach=reach)

    def rssi(self, name: str, dbm: int, *, adapter: str = MAIN) -> None:
        """How strongly a node is heard."""
        self.air.set_rssi(self.radios[name], adapter, dbm)

    async def _made(self, name: str, settings: AdapterSettings) -> Backend:
        """A controller of ours on the air; the one of an earlier gateway has forgotten its links."""
        del settings
        number = [MAIN, SECOND].index(name)
        old = self.controllers.get(name)
        if old is not None:
            old.forget()
            self.air.remove_controller(old)
        address = f"00:11:22:33:44:{number:02X}"
        controller = RadioController(name, link=self.air, public_address=address, station=name)
        self.controllers[name] = controller
        return self.spoil(name, HciBackend(HciAdapter(controller, controller, address, name)))

    @asynccontextmanager
    async def gateway(
        self, *, killed: bool = False, first_look_s: float = 5.0
    ) -> AsyncIterator["AirRunning"]:
        """A service at work; stopped in order at the end, or (``killed``) just gone."""
        config = self.config()
        adapters = Adapters(
            {name: table.settings for name, table in config.adapters.items()}, make=self._made
        )
        async with AsyncExitStack() as stack:
            site = await make_site(
                config, stack, opener=self.opener, node_types=self.types(), adapters=adapters
            )
            gateway = Gateway(site, first_look_s=first_look_s)
            running = AirRunning(gateway)
            await gateway.start()
            running.work = asyncio.create_task(gateway.run())
            try:
                yield running
                if not killed:
                    await gateway.stop()
            finally:
                if killed:
                    for controller in self.controllers.values():
                        controller.forget()
                await running.end()

    async def aclose(self) -> None:
        """Take everything off the air."""
        for radio in self.radios.values():
            await radio.aclose()


class AirRunning(Running):
    """A running gateway; its end is not the air's."""

    async def end(self) -> None:
        """No more turns of the gateway's; the nodes go on."""
        ours = [
            task
            for task in asyncio.all_tasks()
            if task is not asyncio.current_task() and not _is_of_the_air(task)
        ]
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours)
        if self.work is not None:
            with suppress(asyncio.CancelledError):
                await self.work

    async def link(self, name: str = f"ble:{MAIN}") -> LinkView:
        """An adapter as `tender links` shows it."""
        return await self.gateway.links.link(name)

    def waits_for(self, node: str) -> list[str]:
        """The gates of a node's open attempt, by their codes."""
        supervisor = self.gateway.supervisor
        return [
            gate.code
            for record in supervisor.records()
            if record.node == node
            for gate in supervisor.gates(record.id)
        ]

    def says(self, node: str) -> str:
        """The same in words."""
        supervisor = self.gateway.supervisor
        return " ".join(
            gate.message
            for record in supervisor.records()
            if record.node == node
            for gate in supervisor.gates(record.id)
        )


def _is_of_the_air(task: "asyncio.Task[Any]") -> bool:
    coroutine = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    file = code.co_filename if code is not None else ""
    return (
        "/bumble/" in file
        or "/transports/virtual/" in file
        or "run_virtual" in repr(coroutine)
        or (getattr(coroutine, "__qualname__", "").startswith("on_radio."))
    )


def on_radio(test: Callable[[RadioBench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test in virtual time, on a bench with a radio in a folder of its own."""

    def run(tmp_path: Path) -> None:
        async def main() -> None:
            bench = RadioBench(tmp_path)
            try:
                await test(bench)
            finally:
                await bench.aclose()

        run_virtual(main())

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined] # pytest would ask for the test's own arguments
    return run
