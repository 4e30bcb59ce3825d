"""The ladder of each node, and who else is hit by each of its steps.

Two nodes on the same relay, hub or GPIO line share its fate whether or not anybody
wrote that down, so it is found out from the configuration and from the kernel's own
picture of its hubs.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from flashers.api import ResetKind
from gateway.config.model import NodeTable
from gateway.model.rescue import Effect, StepTaken
from gateway.profiles.ladder import AnyStep, GpioStep, LineStep, RelayStep, UsbStep, name_of
from gateway.profiles.model import Profile
from gateway.service.site import Site
from transports.errors import TenderError
from transports.power import Circuit, CommandSwitch, GpioLine, UsbPort
from transports.power.errors import SwitchMissing
from transports.power.usb import device_of_port, is_behind, port_of_device

_WAIT_S = {Effect.RESET: 30.0, Effect.POWER: 120.0}
"""How long a node may be silent before a step, unless its ladder says otherwise."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of a node's ladder; ``hold`` is how long it is off, all times in seconds."""

    name: str
    kind: str
    effect: Effect
    hold: float
    wait: float
    pause: float
    per_day: int
    affects: tuple[str, ...] = ()
    circuit: Circuit | None = None
    """None for a modem line, and for a hub's port that was not found yet."""
    revives_link: bool = False
    """Whether it can bring back the link itself."""

    @property
    def line(self) -> Literal["dtr", "rts"] | None:
        """The modem line that it is, if it is one."""
        match self.kind:
            case "dtr":
                return "dtr"
            case "rts":
                return "rts"
            case _:
                return None


def counted_as(node: str, name: str, circuit: Circuit | None) -> str:
    """What a step is counted for: its switch, which others may use, too; a line is the node's own."""
    return circuit.key if circuit is not None else f"{node}:{name}"


def counted(step: StepTaken) -> str:
    """The same for a step that was taken."""
    return counted_as(step.node, step.name, step.circuit)


class Ladders:
    """Every node's steps."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._places: dict[str, UsbPort] = {}

    async def find_places(self) -> None:
        """Learn, while the ports are there, which hubs they are on: a hung adapter cannot be asked."""
        await asyncio.to_thread(self._find_places)

    def explicit(self, node: str) -> bool:
        """Whether somebody wrote a ladder for it, and it is not only the profile's reset line."""
        table, profile = self._of(node)
        return bool(
            table is not None and (table.ladder or (table.ladder is None and profile and profile.ladder))
        )

    def rungs(self, node: str) -> tuple[Rung, ...]:
        """From mild to hard; empty if nothing can be done, or the profile cannot be used."""
        table, profile = self._of(node)
        if table is None or profile is None:
            return ()
        return tuple(self._rung(node, step) for step in steps_of(table, profile))

    async def hits(self, node: str, rung: Rung) -> tuple[str, ...]:
        """The other nodes that a step hits, by name."""
        site = self._site
        hit = {name for name in rung.affects if name in site.nodes}
        if rung.line is not None:
            hit |= {name for name in site.nodes if site.channel(name) == site.channel(node)}
        if rung.circuit is not None:
            key = rung.circuit.key
            hit |= {
                other
                for other in site.nodes
                if any(one.circuit is not None and one.circuit.key == key for one in self.rungs(other))
            }
            if rung.circuit.usb is not None:
                hit |= await asyncio.to_thread(self._behind, rung.circuit.usb)
        return tuple(sorted(hit - {node}))

    def located(self, node: str, rung: Rung) -> Rung:
        """The same step with its switch known.  Raises SwitchMissing."""
        if rung.circuit is None and rung.line is None:
            raise SwitchMissing(
                f"nobody knows in which port of which hub {node} is",
                remedy="Give the step its `hub` and `port`; `lsusb -t` shows them.",
            )
        return rung

    def _of(self, node: str) -> tuple[NodeTable | None, Profile | None]:
        table = self._site.nodes.get(node)
        if table is None:
            return None, None
        try:
            return table, self._site.node_types.get(table.profile).profile
        except TenderError:
            return table, None

    def _rung(self, node: str, step: AnyStep) -> Rung:
        hold, circuit = 0.0, None
        match step:
            case LineStep():
                hold = step.pulse
            case GpioStep():
                hold = step.pulse
                circuit = Circuit(gpio=GpioLine(str(step.line), step.chip, active_low=step.active == "low"))
            case UsbStep():
                hold = step.off_for
                place = self._places.get(node)
                if step.hub is not None and step.port is not None:
                    place = UsbPort(step.hub, step.port, str(self._site.config.rescue.sysfs))
                circuit = Circuit(usb=place) if place is not None else None
            case RelayStep():
                hold = step.off_for if step.off else 0.0
                command = CommandSwitch(step.on or step.run or (), step.off or (), step.deadline, node)
                circuit = Circuit(command=command)
        return Rung(
            name=name_of(step),
            kind=step.kind,
            effect=step.effect,
            hold=hold,
            wait=_WAIT_S[step.effect] if step.wait is None else step.wait,
            pause=step.pause,
            per_day=step.per_day,
            affects=step.affects,
            circuit=circuit,
            revives_link=step.kind == "usb" if step.revives_link is None else step.revives_link,
        )

    def _devices(self) -> dict[str, str]:
        """The USB device of each node that is on one."""
        site, found = self._site, dict[str, str]()
        for node, table in list(site.nodes.items()):
            if table.spec.scheme == "uart":
                device = device_of_port(table.spec.target, str(site.config.rescue.sysfs))
                if device is not None:
                    found[node] = device
        return found

    def _find_places(self) -> None:
        sysfs = str(self._site.config.rescue.sysfs)
        self._places |= {node: port_of_device(device, sysfs) for node, device in self._devices().items()}

    def _behind(self, port: UsbPort) -> set[str]:
        now = {node for node, device in self._devices().items() if is_behind(device, port)}
        before = {node for node, place in self._places.items() if is_behind(place.device, port)}
        return now | before


def steps_of(table: NodeTable, profile: Profile) -> tuple[AnyStep, ...]:
    """The node's own ladder, else its profile's, else the profile's reset line."""
    steps = table.ladder if table.ladder is not None else profile.ladder
    if steps or profile.reset is ResetKind.NONE or table.ladder is not None:
        return steps
    return (LineStep(kind="dtr" if profile.reset is ResetKind.DTR else "rts"),)
