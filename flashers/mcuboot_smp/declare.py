"""What can be done with nodes of a mode, said before anything starts.

Overwriting has no exposure: the bootloader begins the copy anew at the next power-up
for as long as the second slot holds it.
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
from flashers.mcuboot_smp.params import Mode, SmpParams
from transports.links import Medium

_ROLLBACK = {
    Mode.SWAP: frozenset({RollbackKind.BOOTLOADER, RollbackKind.SLOT_SWITCH}),
    Mode.OVERWRITE: frozenset({RollbackKind.REFLASH}),
    Mode.DIRECT_XIP: frozenset[RollbackKind](),
    Mode.DIRECT_XIP_REVERT: frozenset({RollbackKind.BOOTLOADER}),
    Mode.RAM_LOAD: frozenset[RollbackKind](),
    Mode.SERIAL_RECOVERY: frozenset({RollbackKind.REFLASH}),
}


def declare(params: SmpParams) -> Declaration:
    """The abilities of nodes with these parameters."""
    recovery = params.mode is Mode.SERIAL_RECOVERY
    # A server may be built to check its flash after the last piece.  MCUboot's serial recovery
    # may be built without hashes; it lists only what it has checked.
    transfer = {EvidenceKind.COMPUTED_HASH, EvidenceKind.REPORTED_HASH}
    transfer |= {EvidenceKind.VERSION} if recovery else set()
    return Declaration(
        # MCUboot's serial recovery has a UART alone; the application's server is met on both.
        media=frozenset({Medium.UART} if recovery else {Medium.UART, Medium.BLE}),
        components=frozenset({ComponentKind.FIRMWARE}),
        rollback=_ROLLBACK[params.mode],
        transfer_evidence=frozenset(transfer),
        boot_evidence=frozenset({EvidenceKind.REPORTED_HASH}),
        resume=Resume.NONE if recovery else Resume.SURVIVES_LINK,
        activation=Activation.WITH_LAST_BYTE if recovery else Activation.SEPARATE,
        initiative=Initiative.PUSH,
        probe_cost=ProbeCost.NONE,
        exposure=Exposure.WINDOW if recovery else Exposure.NONE,
        in_loader="The same link and address; over a UART its answers say that serial recovery gives them.",
        formats=frozenset({"mcuboot"}),
        trial_boot=params.mode.trial,
        bytes_per_second=6000.0,
    )
