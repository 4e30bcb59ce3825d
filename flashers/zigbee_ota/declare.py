"""What can be done with Zigbee nodes, said before anything starts."""

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
from flashers.zigbee_ota.params import OtaParams, Owner
from transports.links import Medium

FORMAT = "zigbee-ota"
"""An OTA upgrade file (ZCL revision 8, 11.4), also inside what some vendors wrap around it."""


def declare(params: OtaParams) -> Declaration:
    """The abilities of nodes with these parameters."""
    # A host that is not us starts an image with its last byte, and nothing makes it wait, as some nodes
    # do by themselves; what lies in the node until then hurts nobody, so nothing is exposed all the same.
    ours = params.owner is Owner.TENDER
    waits = ours and params.stages
    return Declaration(
        media=frozenset({Medium.ZIGBEE}),
        components=frozenset({ComponentKind.FIRMWARE}),
        rollback=frozenset({RollbackKind.REFLASH}),
        # The node checks what it took before it says that it has it; with what, it does not say.
        transfer_evidence=frozenset({EvidenceKind.CHECKSUM}),
        boot_evidence=frozenset({EvidenceKind.VERSION}),
        # It asks by offset, so whoever answers may be another life of the gateway.  Many nodes go on
        # after a loss of their power as well; none has to.
        resume=Resume.SURVIVES_LINK,
        activation=Activation.SEPARATE if waits else Activation.WITH_LAST_BYTE,
        initiative=Initiative.PULL if ours else Initiative.PUSH,
        probe_cost=ProbeCost.NONE,
        exposure=Exposure.NONE,
        in_loader="It is not on the network while its loader works, and announces itself when it is back.",
        formats=frozenset({FORMAT}),
        reverts_by_itself=params.reverts,
        may_refuse_older=True,
        keeps_staged=False,
        bytes_per_second=1500.0,
    )
