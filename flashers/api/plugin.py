"""How a flasher introduces itself, and what its virtual node promises.

A plugin is one value of :class:`FlasherPlugin`, named by an entry point of the group
``tender.flashers``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from flashers.api.data import Component, Digest, FirmwareImage, Reason, Seen
from flashers.api.declaration import Declaration
from flashers.api.errors import NotSupported
from flashers.api.session import Session
from flashers.api.verbs import Activate, Backup, Confirm, Preflight, Probe, Revert, Transfer
from flashers.sim.app import SimApp
from transports.gatt import GattPeer
from transports.links import UartPeer
from transports.zcl import NodeFacts, Zcl, ZigbeePeer


class Params(BaseModel):
    """Base of a flasher's own settings: the ``[flasher]`` table of a profile.

    An unknown key is an error, so that a misspelt one is not silently ignored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Flasher(Protocol):
    """One flasher at work on one node for one lease.

    Each verb raises nothing but :class:`~transports.errors.TenderError`.  A verb that
    learns what the node holds as a by-product returns it, which spares a probe;
    otherwise it returns None and the host looks.
    """

    async def probe(self, ask: Probe) -> Seen:
        """What the node runs and holds.  A node that does not answer is ``SILENT``, not an error."""
        ...

    async def preflight(self, ask: Preflight) -> tuple[Reason, ...]:
        """Every reason against this image on this node; without touching its flash."""
        ...

    async def backup(self, ask: Backup) -> bytes:
        """The component's whole area, as a file that ``parse`` of the same plugin reads."""
        ...

    async def enter_loader(self) -> None:
        """Bring the node into its loader; without effect where transfers go to the application."""
        ...

    async def transfer(self, ask: Transfer) -> Seen | None:
        """Send the image, resumed where the node stopped, and prove the bytes."""
        ...

    async def activate(self, ask: Activate) -> Seen | None:
        """Start the images."""
        ...

    async def confirm(self, ask: Confirm) -> Seen | None:
        """Make the running image permanent."""
        ...

    async def rollback(self, ask: Revert) -> Seen | None:
        """Have the node's loader take an unconfirmed image back."""
        ...

    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        """Ask the application something, for health checks; the answer as it came.

        What a request is belongs to the flasher: an MCUmgr echo, a line on a console.
        """
        ...

    async def identify(self) -> None:
        """Have the node show itself to somebody who stands in front of it.

        Raises:
            NotSupported: it cannot.
        """
        ...

    async def cleanup(self) -> None:
        """Leave the node as a user of the link would want it; always called, never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Unattended:
    """What a node that pulls is told while no flasher is with it.

    ``answer`` None is silence.  ``wants`` says that the node is awake and asks for firmware, which
    is what an attempt that waits for it wants to hear; ``note`` is for the log, where it is odd.
    """

    answer: Zcl | None = None
    wants: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really the case in a virtual node, for tests to compare claims with.

    ``running`` holds, per image number, the identity of what executes now; an image
    that is absent from it does not run.  ``confirmed`` tells whether it would still
    run after any number of resets.  ``bootable`` False: there is no firmware that runs.
    """

    running: Mapping[int, Digest]
    confirmed: bool
    bootable: bool
    powered: bool


class VirtualNode(Protocol):
    """A node that speaks the flasher's protocol over a simulated flash.

    It is a :class:`UartNode`, a :class:`RadioNode` or both, as the plugin's media say.
    """

    def truth(self) -> Truth:
        """What is really the case."""
        ...

    def power_off(self) -> None:
        """Cut the power: memory is lost, flash stays, a write under way is torn."""
        ...

    def power_on(self) -> None:
        """Give power again; the node boots."""
        ...

    @property
    def operations(self) -> int:
        """Flash operations (erases and programs) since the node was made."""
        ...

    def cut_power_at(self, operation: int, *, torn: bool = False, off_for: float | None = 1.0) -> None:
        """Lose power just before this operation, or (``torn``) in the middle of it.

        ``off_for`` is how long it stays off, in seconds; None leaves it off.
        """
        ...


@runtime_checkable
class UartNode(VirtualNode, UartPeer, Protocol):
    """A virtual node on a line."""


@runtime_checkable
class RadioNode(VirtualNode, Protocol):
    """A virtual node behind a radio."""

    def radio(self, name: str, address: str) -> GattPeer:
        """What the virtual air drives; ``name`` and ``address`` are those of the application.

        The address is static random, as ``C0:…``.  A loader that has another one makes it of this.
        """
        ...


@runtime_checkable
class ZigbeeNode(VirtualNode, Protocol):
    """A virtual node of a Zigbee network."""

    def zigbee(self, name: str, ieee: str) -> ZigbeePeer:
        """What the virtual network drives; ``ieee`` is its address, ``name`` is for people."""
        ...


def uart_node(node: VirtualNode) -> UartNode:
    """The same node, to be put on a line.

    Raises:
        NotSupported: it has none.
    """
    if not isinstance(node, UartNode):
        raise NotSupported("this virtual node has no line, it is behind a radio")
    return node


def zigbee_node(node: VirtualNode) -> ZigbeeNode:
    """The same node, to be put on a Zigbee network.

    Raises:
        NotSupported: it is none of one.
    """
    if not isinstance(node, ZigbeeNode):
        raise NotSupported("this virtual node is on no Zigbee network")
    return node


def radio_node(node: VirtualNode) -> RadioNode:
    """The same node, to be put on the air.

    Raises:
        NotSupported: it has no radio.
    """
    if not isinstance(node, RadioNode):
        raise NotSupported("this virtual node has no radio, it is on a line")
    return node


@dataclass(frozen=True, slots=True)
class VirtualSetup:
    """How a virtual node begins its life.

    ``flash`` are artifacts already on it by component id; ``options`` are faults and
    traits by name (``--fault`` on the command line), each plugin documents its own.
    """

    params: Params
    components: tuple[Component, ...] = (Component(),)
    flash: Mapping[str, bytes] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    name: str = "virtual"


@dataclass(frozen=True, slots=True)
class LinkFrame:
    """What one write put on the link (``down``), or one read took from it, however it was cut."""

    down: bool
    data: bytes


Describe = Callable[[LinkFrame], tuple[str, ...]]
"""Takes frames in order and says, a line each, what they complete: an operation, its number, its result.

It never raises, whatever comes: a recording may begin in the middle of a message.
Bytes of an image are told by how many they are, since such lines leave the site.
"""


@dataclass(frozen=True, slots=True)
class FlasherPlugin:
    """A flasher, introduced in one value.

    ``parse`` turns an artifact's bytes into an image: (data, format, component, params).
    It raises :class:`~flashers.api.errors.BadImage` and touches nothing.

    ``build`` makes a firmware file for virtual nodes: (what the application does, its
    size in bytes, options by name).  Each plugin documents its options, such as the test
    key that signs it.  The same arguments give the same bytes; a ValueError says what is
    wrong with them.
    """

    name: str
    summary: str
    params: type[Params]
    declare: Callable[[Any], Declaration]
    parse: Callable[[bytes, str, Component, Any], FirmwareImage]
    open: Callable[[Session, Any], Flasher]
    virtual_node: Callable[[VirtualSetup], VirtualNode]
    build: Callable[[SimApp, int, Mapping[str, str]], bytes]
    faults: Mapping[str, str] = field(default_factory=dict)
    """The options that the virtual node understands, each with a sentence for people."""
    backup_format: str | None = None
    """The format of what ``backup`` reads; None if it is the profile's own."""
    describe: Callable[[Any], Describe] | None = None
    """From the params to what makes a recording of the link legible; None leaves it in hexadecimal."""
    unattended: Callable[[Zcl, bool], Unattended] | None = None
    """For nodes that pull: (request, whether an attempt on this node is open) → what it is told.

    Pure and stateless, since it is asked before anything else is known.  It never tells a node to
    give up what it has.
    """
    fits: Callable[[NodeFacts, Any], bool] | None = None
    """Whether a node that joined a Zigbee network may be of a type with these params, by its own words."""
