"""What is put to the test: a plugin with settings, and how its virtual nodes and files are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points

from flashers.api import (
    BadImage,
    Component,
    Declaration,
    Digest,
    EvidenceKind,
    FirmwareImage,
    FlasherPlugin,
    Params,
)
from flashers.conformance.rules import Failure
from flashers.sim import Behaviour, SimApp
from transports.links import Medium

GROUP = "tender.flashers"
"""The entry points by which plugins are found."""

OLD, NEW = "1.0.0", "2.0.0"

IDENTIFYING = frozenset({EvidenceKind.COMPUTED_HASH, EvidenceKind.READBACK, EvidenceKind.REPORTED_HASH})
"""What tells bytes; other bytes may have the same version."""


def installed(name: str) -> FlasherPlugin:
    """The plugin that an installed distribution brings under this name.

    Raises:
        LookupError: there is none, or what the entry point names is no plugin.
    """
    for point in entry_points(group=GROUP, name=name):
        plugin = point.load()
        if isinstance(plugin, FlasherPlugin):
            return plugin
    raise LookupError(f"no installed package brings a flasher {name!r}")


@dataclass(frozen=True)
class Subject:
    """A plugin, and the nodes of one kind.

    Args:
        plugin: what is judged.
        params: its settings for these nodes.
        node: options of the virtual nodes; a small flash makes the suite fast.
        firmware: options of ``build``.
        size: bytes of the applications; best more than two pages, and no whole number of them.
        patience: seconds in which each verb must have ended, whatever the node does.
        silence: seconds in which a probe must know that nobody answers.
        unframed: formats in which any bytes are an image, so that a part is not recognised.
        medium: what leads to the nodes; a line where that is declared, else a radio, else a Zigbee network.
        pair: the nodes are paired with, where a radio leads to them.
    """

    plugin: FlasherPlugin
    params: Params
    node: Mapping[str, str] = field(default_factory=dict)
    firmware: Mapping[str, str] = field(default_factory=dict)
    size: int = 600
    patience: float = 600.0
    silence: float = 60.0
    unframed: frozenset[str] = frozenset({"raw"})
    medium: Medium | None = None
    pair: bool = False

    @cached_property
    def leads(self) -> Medium:
        """What leads to the nodes."""
        if self.medium is not None:
            return self.medium
        media = (Medium.UART, Medium.BLE, Medium.ZIGBEE)
        return next((each for each in media if each in self.declared.media), Medium.UART)

    @cached_property
    def declared(self) -> Declaration:
        """What the plugin says that it can do with such nodes."""
        return self.plugin.declare(self.params)

    @cached_property
    def old(self) -> FirmwareImage:
        """What nodes run at first."""
        return self.read(self.old_file)

    @cached_property
    def new(self) -> FirmwareImage:
        """What they are brought to."""
        return self.read(self.new_file)

    @cached_property
    def old_file(self) -> bytes:
        """The file of :attr:`old`."""
        return self.file(OLD)

    @cached_property
    def new_file(self) -> bytes:
        """The file of :attr:`new`."""
        return self.file(NEW)

    def file(self, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> bytes:
        """A firmware file of this application."""
        return self.plugin.build(SimApp(version, behaviour), self.size, self.firmware)

    def read(self, data: bytes) -> FirmwareImage:
        """Parse a file in the one declared format that it is of.

        Raises:
            Failure: it is of none.
        """
        refusals = []
        for name in sorted(self.declared.formats):
            try:
                return self.plugin.parse(data, name, Component(), self.params)
            except BadImage as error:
                refusals.append(f"as {name}: {error.message}")
        raise Failure(f"a file of the plugin's own is of no declared format ({'; '.join(refusals)})")


def identity_of(image: FirmwareImage) -> Digest:
    """By what the image is known: to its node, or to those alone who can look past every protocol.

    Where firmware has no more than a version, a virtual node's truth is the digest of the file.
    """
    if image.firmware.identity is not None:
        return image.firmware.identity
    if image.firmware.version is None:
        raise Failure("an image has neither identity nor version, so nobody could tell what a node runs")
    return image.artifact
