"""What a flasher can do with a node of one profile, said before anything starts."""

from dataclasses import dataclass

from flashers.api.words import (
    Activation,
    ComponentKind,
    EvidenceKind,
    Exposure,
    Initiative,
    ProbeCost,
    Resume,
    RollbackKind,
)
from transports.links import Medium


@dataclass(frozen=True, slots=True)
class Declaration:
    """The abilities that rules and people decide by.

    ``rollback`` lists what *can* hold for such nodes; which one holds for an attempt
    is found out by its preparation.  ``bytes_per_second`` is a first guess for
    estimates, replaced by what is measured.  ``in_loader`` says in a sentence how the
    node is called while it is in its loader.
    """

    media: frozenset[Medium]
    components: frozenset[ComponentKind]
    rollback: frozenset[RollbackKind]
    transfer_evidence: frozenset[EvidenceKind]
    boot_evidence: frozenset[EvidenceKind]
    resume: Resume
    activation: Activation
    initiative: Initiative
    probe_cost: ProbeCost
    exposure: Exposure
    in_loader: str
    formats: frozenset[str]
    trial_boot: bool = False
    """The loader starts a new image once, and reverts it unless it is confirmed."""
    keeps_staged: bool = True
    """What waits in a slot of its own outlives a restart until the loader was told to start it and judged it.

    Where it does not, an empty slot says nothing but that the power failed, and it is sent once more.
    """
    reverts_by_itself: bool = False
    """A loader that takes a bad image back without being asked: old firmware after a start says so.

    Without it such a node may just not have started what it was told to, and is told once more.  So
    ``activate`` of such a flasher comes back when the node has restarted, or was silent for a while.
    """
    may_refuse_older: bool = False
    """Whether such a node takes an older image is up to its firmware, and learned by trying.

    It is remembered by profile, model (``Seen.facts["model"]``, if it is there) and the version that
    runs while the older image is offered; :class:`~flashers.api.errors.DowngradeRefused` says no.
    """
    alike_in_loader: bool = False
    """In its loader such a node cannot be told from others of its kind: see ``Calling.unique``.

    The host then begins one at a time of those behind one adapter, and not before it is back.
    """
    bytes_per_second: float = 4000.0
