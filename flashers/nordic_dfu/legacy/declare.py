"""What can be done with nodes that have a legacy loader.

Two banks are no second slot: the image in the second is forgotten at any restart before
its activation, and nothing finishes the copy that an activation is.  So there is a
window with both, and going back is sending the old package.
"""

from flashers.api import (
    Activation,
    ComponentKind,
    Declaration,
    EvidenceKind,
    Exposure,
    Initiative,
    ProbeCost,
    Resume,
    RollbackKind,
)
from flashers.nordic_dfu.params import Entry, NordicParams, VersionRule
from transports.links import Medium


def alike_in_loader(params: NordicParams) -> bool:
    """Whether such nodes cannot be told apart in their loader: only a bond keeps the address."""
    return params.entry not in {Entry.BONDED, Entry.NONE}


def declare(params: NordicParams) -> Declaration:
    """The abilities of nodes with these settings."""
    takes_older = params.version_rule is VersionRule.OFF
    told = params.version_characteristic is not None
    return Declaration(
        media=frozenset({Medium.BLE}),
        components=frozenset({ComponentKind.FIRMWARE}),
        rollback=frozenset({RollbackKind.REFLASH}) if takes_older else frozenset(),
        transfer_evidence=frozenset({EvidenceKind.CHECKSUM}),
        boot_evidence=frozenset({EvidenceKind.VERSION}) if told else frozenset(),
        resume=Resume.NONE,
        activation=Activation.WITH_LAST_BYTE,
        initiative=Initiative.PUSH,
        probe_cost=ProbeCost.NONE,
        exposure=Exposure.WINDOW,
        in_loader=f"{params.loader_name}, as every node of its type, at an address that may be the next one.",
        formats=frozenset({"nordic-dfu-zip"}),
        alike_in_loader=alike_in_loader(params),
        bytes_per_second=2500.0,
    )
