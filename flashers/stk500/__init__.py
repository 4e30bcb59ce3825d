"""AVR nodes with an STK500v1 bootloader: Optiboot and ATmegaBOOT.  See this folder's README."""

from flashers.api import (
    Activation,
    ComponentKind,
    Declaration,
    EvidenceKind,
    Exposure,
    FlasherPlugin,
    Initiative,
    ProbeCost,
    Resume,
    RollbackKind,
)
from flashers.stk500.build import build
from flashers.stk500.describe import describer
from flashers.stk500.flasher import Stk500Flasher
from flashers.stk500.image import BACKUP_FORMAT, FORMATS, parse
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import Loader
from flashers.stk500.virtual import FAULTS, VirtualStk500
from transports.links import Medium

_BYTES_PER_SECOND = {Loader.OPTIBOOT: 4300.0, Loader.ATMEGABOOT: 2200.0}
"""Writing and reading back together, at 115200 and 57600 baud, with 4.5 ms to write a page."""


def declare(params: Stk500Params) -> Declaration:
    """What can be done with such a node; a boot can be proved where it prints a line."""
    boot = frozenset[EvidenceKind]()
    if params.boot_pattern is not None:
        named = "version" in params.boot_pattern.groupindex
        boot = frozenset({EvidenceKind.VERSION if named else EvidenceKind.ANNOUNCE})
    return Declaration(
        media=frozenset({Medium.UART}),
        components=frozenset({ComponentKind.FIRMWARE}),
        rollback=frozenset({RollbackKind.REFLASH, RollbackKind.RESTORE}),
        transfer_evidence=frozenset({EvidenceKind.READBACK}),
        boot_evidence=boot,
        resume=Resume.SURVIVES_RESET,
        activation=Activation.WITH_LAST_BYTE,
        initiative=Initiative.PUSH,
        probe_cost=ProbeCost.RESTARTS_APPLICATION,
        exposure=Exposure.WINDOW,
        in_loader="It has no other name there; it is in its loader for a second after each reset.",
        formats=FORMATS,
        bytes_per_second=_BYTES_PER_SECOND[params.loader],
    )


PLUGIN = FlasherPlugin(
    name="stk500",
    summary="AVR with Optiboot or ATmegaBOOT (STK500v1 on a UART)",
    params=Stk500Params,
    declare=declare,
    parse=parse,
    open=Stk500Flasher,
    virtual_node=VirtualStk500,
    build=build,
    faults=FAULTS,
    backup_format=BACKUP_FORMAT,
    describe=describer,
)
