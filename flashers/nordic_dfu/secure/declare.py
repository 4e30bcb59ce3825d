"""What can be done with nodes that have the secure loader, said before anything starts.

The loader checks hash and signature before it starts anything, so a half-written image
never runs, and a version is enough to tell what does.  It has no trial boot: the way back
is the old package, where the loader's version rule takes it.
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
from flashers.nordic_dfu.params import Banks, Entry, Keeps, NordicParams, VersionRule
from transports.links import Medium

_IN_LOADER = {
    Entry.UNBONDED: "It is at the address after its own, as DfuTarg.",
    Entry.NAMED: "It is at another address, under a name that it was given before.",
    Entry.BONDED: "It has the same address, and another table.",
    Entry.NONE: "It is at the address after its own, as DfuTarg, after somebody has pressed its button.",
}
_RESUMES = {
    Keeps.NOTHING: Resume.NONE,
    Keeps.LINK: Resume.SURVIVES_LINK,
    Keeps.PROGRESS: Resume.SURVIVES_RESET,
}


def declare(params: NordicParams) -> Declaration:
    """The abilities of nodes with these parameters."""
    told = params.version_characteristic is not None
    dual = params.banks is Banks.DUAL
    reflash = params.version_rule is not VersionRule.EQUAL  # nothing that it ran before would be taken
    return Declaration(
        media=frozenset({Medium.BLE}),
        components=frozenset({ComponentKind.FIRMWARE}),
        rollback=frozenset({RollbackKind.REFLASH}) if reflash else frozenset(),
        transfer_evidence=frozenset({EvidenceKind.CHECKSUM if told else EvidenceKind.COMPUTED_HASH}),
        boot_evidence=frozenset({EvidenceKind.VERSION}) if told else frozenset(),
        resume=_RESUMES[params.keeps],
        activation=Activation.SEPARATE if dual else Activation.WITH_LAST_BYTE,
        keeps_staged=False,  # a restart before the last execute has ended leaves the old settings
        initiative=Initiative.PUSH,
        probe_cost=ProbeCost.NONE,
        exposure=Exposure.NONE if params.spares_the_old else Exposure.WINDOW,
        in_loader=_IN_LOADER[params.entry],
        formats=frozenset({"nordic-dfu-zip"}),
        bytes_per_second=15000.0,
    )
