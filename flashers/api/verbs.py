"""The arguments of a flasher's verbs.

They are values rather than parameters so that a verb can be written to a pipe as
it stands, and so that a new field does not break an older plugin.
"""

from dataclasses import dataclass

from flashers.api.data import Component, Digest, Firmware, FirmwareImage, Identity, Reason, Seen
from flashers.api.words import ProbeCost

__all__ = ["Activate", "Backup", "Confirm", "Preflight", "Probe", "Reason", "Revert", "Transfer"]


@dataclass(frozen=True, slots=True)
class Probe:
    """Look at the node.

    ``allowed`` is the highest cost that the host permits.  ``candidates`` are the
    images that the node might hold: a node that cannot name its firmware is read and
    compared with them.
    """

    allowed: ProbeCost = ProbeCost.NONE
    candidates: tuple[FirmwareImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Preflight:
    """Say every reason against sending this image to the node as it was just seen."""

    image: FirmwareImage
    seen: Seen


@dataclass(frozen=True, slots=True)
class Backup:
    """Read a component's whole area, so that it can be restored."""

    component: Component


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bring the image's bytes into the node and prove that they arrived.

    ``replaces`` is what the node runs now, as far as that is known; ``back`` says that the image is
    taken back to, rather than gone forward to.
    """

    image: FirmwareImage
    replaces: Firmware | None = None
    back: bool = False


@dataclass(frozen=True, slots=True)
class Activate:
    """Make the node start these images, once where it can, and restart it.

    For a node with one slot it means: start the application.
    """

    images: tuple[FirmwareImage, ...]


@dataclass(frozen=True, slots=True)
class Confirm:
    """Make the running image permanent.

    The flasher checks that the running slot holds ``running`` before and in the
    answer, and raises :class:`~flashers.api.errors.ImageMismatch` if it does not.
    """

    component: Component
    running: Digest


@dataclass(frozen=True, slots=True)
class Revert:
    """Restart a node that runs an unconfirmed image, so that its loader takes it back."""

    components: tuple[Component, ...]
    expect: Identity | None = None
