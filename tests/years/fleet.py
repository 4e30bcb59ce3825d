"""The nodes: made, put on lines and hubs, and looked into as somebody could who opens the case.

What a node holds is found by comparing its flash with the images that the script
knows; the gateway's word is not asked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flashers.api import Segment, VirtualSetup
from flashers.images import extents_digest
from flashers.mcuboot_smp import PLUGIN as SMP
from flashers.mcuboot_smp.make import make_image
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from flashers.mcuboot_smp.virtual.bootloader import Bootloader
from flashers.sim import Behaviour, SimApp, build_app
from flashers.stk500 import PLUGIN as STK500
from flashers.stk500.virtual import VirtualStk500
from tests.years.kinds import Kind, kinds_of
from tests.years.plain import OTHER, Holds, Image
from transports.virtual.memory import MemoryLine

PER_HUB = 10
FIRST = "1.0.0"
_SMP_BODY, _STK_BODY = 240, 300
_NAME_BYTES = 32
"""So many bytes at its end tell an MCUboot image from every other: its digest."""


class Images:
    """Every firmware that the script knows, by its bytes."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, Behaviour], Image] = {}
        self.by_told: dict[tuple[str, str], Image] = {}
        self._by_head: dict[tuple[str, bytes], Image] = {}

    def of(self, kind: Kind, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> Image:
        """A firmware of that version, which behaves so."""
        key = (kind.name, version, behaviour)
        if key not in self._made:
            self._made[key] = image = _make(kind, version, behaviour)
            self.by_told[kind.name, image.told] = image
            self._by_head[kind.name, image.body[:_HEAD]] = image
        return self._made[key]

    def in_flash(self, kind: str, flash: bytes) -> str | None:
        """The image that lies at the start of a flash, whole; None if it is blank or half an image."""
        if not flash.strip(b"\xff"):
            return None
        found = self._by_head.get((kind, flash[:_HEAD]))
        if found is None:
            return None if flash.startswith(b"TENDRAPP") else OTHER
        return found.name if flash.startswith(found.body) else None

    def named(self, kind: str, told: str) -> str:
        """The name of what upstream was told by digest."""
        image = self.by_told.get((kind, told))
        return image.name if image is not None else OTHER


_HEAD = 18
"""Bytes of an application's own head, its checksum among them."""


def _make(kind: Kind, version: str, behaviour: Behaviour) -> Image:
    claims = "9.9.9" if behaviour is Behaviour.LIES else ""
    app = SimApp(version, behaviour, hardware="", claims=claims)
    name = f"{kind.name} {version}" + ("" if behaviour is Behaviour.HEALTHY else f" {behaviour}")
    seed = sum(kind.name.encode())
    if kind.smp:
        body = make_image(app, size=_SMP_BODY, seed=seed)
        return Image(name, kind.name, version, f"sha256:{body[-_NAME_BYTES:].hex()}", body)
    body = build_app(app, _STK_BODY, seed=seed)
    return Image(name, kind.name, version, str(extents_digest([Segment(0, body)])), body)


Wrote = Callable[["Unit", int, bytes], None]


@dataclass(eq=False)
class Unit:
    """A node with its line."""

    name: str
    kind: Kind
    hub: int
    node: VirtualMcubootNode | VirtualStk500
    line: MemoryLine
    images: Images
    pulled: set[str] = field(default_factory=set)
    """Why its line is not there: its own cable, its hub."""
    dark: set[str] = field(default_factory=set)
    """Why it has no power."""

    @property
    def flash(self) -> Any:
        """Its simulated flash."""
        return self.node.flash if isinstance(self.node, VirtualStk500) else self.node.slots.flash

    def holds(self) -> Holds:
        """What is really so."""
        node = self.node
        truth = node.truth()
        if isinstance(node, VirtualStk500):
            boots = self.images.in_flash(self.kind.name, node.flash.read(0, len(node.flash)))
            if not truth.bootable:
                boots = None
            return Holds(boots if truth.running else None, boots, boots is not None, truth.powered)
        runs = truth.running.get(0)
        name = None if runs is None else self.images.named(self.kind.name, str(runs))
        if name is not None and truth.confirmed:
            return Holds(name, name, True, truth.powered)
        started = Bootloader(node.slots.copy(), node.params.mode, node.options).boot()
        boots = None if not started else self.images.named(self.kind.name, str(started[0].image.identity))
        return Holds(name, boots, False, truth.powered)

    def pull(self, why: str) -> None:
        """Its line is gone."""
        self.pulled.add(why)
        self.line.unplug()

    def put_back(self, why: str) -> None:
        """Its line is there again, unless it is gone for another reason, too."""
        self.pulled.discard(why)
        if not self.pulled:
            self.line.replug()

    def power_off(self, why: str) -> None:
        """Its power is gone."""
        self.dark.add(why)
        self.node.power_off()

    def power_on(self, why: str) -> None:
        """Its power is back, unless it is off for another reason, too."""
        self.dark.discard(why)
        if not self.dark:
            self.node.power_on()

    def put_in(self, image: Image) -> None:
        """Somebody with a programmer puts another firmware on it."""
        self.node.power_off()
        flash = self.flash
        flash.preload(0, b"\xff" * len(flash))
        if isinstance(self.node, VirtualMcubootNode):
            self.node.slots.preload(0, image.body)
        else:
            flash.preload(0, image.body)
        if not self.dark:
            self.node.power_on()


def make_fleet(count: int, images: Images, wrote: Wrote) -> dict[str, Unit]:
    """So many nodes that run the first version; ``wrote`` sees every program operation before it is done."""
    units: dict[str, Unit] = {}
    for number, kind in enumerate(kinds_of(count)):
        image = images.of(kind, FIRST)
        name = f"{kind.name}-{number:03d}"
        node = _node(kind, image, name)
        unit = Unit(name, kind, number // PER_HUB, node, MemoryLine(node), images)
        _watch(unit, wrote)
        units[name] = unit
    return units


def _node(kind: Kind, image: Image, name: str) -> Any:
    import tomllib

    plugin = SMP if kind.smp else STK500
    params = plugin.params.model_validate(tomllib.loads(kind.profile)["params"])
    setup = VirtualSetup(params, flash={"app": image.body}, options=dict(kind.options), name=name)
    return plugin.virtual_node(setup)


def _watch(unit: Unit, wrote: Wrote) -> None:
    flash = unit.flash
    program = flash.program

    def watched(address: int, data: bytes) -> None:
        wrote(unit, address, data)
        program(address, data)

    flash.program = watched
