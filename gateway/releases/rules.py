"""What a manifest's conditions mean for a node, as pure functions.

They return reasons, so that whoever asks can show all of them at once.
"""

from collections.abc import Collection
from enum import StrEnum

from flashers.api.data import Reason
from flashers.api.versions import version_key
from gateway.releases.manifest import ReleaseArtifact


def hardware_reason(artifact: ReleaseArtifact, hardware: Collection[str]) -> Reason | None:
    """Why nodes of this hardware may not have it; ``hardware`` is every id known of the node.

    A manifest that names hardware refuses a node of which none is known.
    """
    if not artifact.hardware or any(one in artifact.hardware for one in hardware):
        return None
    said = ", ".join(hardware) if hardware else "unknown"
    return Reason(
        "wrong-hardware",
        f"{artifact.name} is for {', '.join(artifact.hardware)}; the node's hardware is {said}",
        "Deploy a release for this hardware, or correct the node's profile.",
    )


def follows_reason(artifact: ReleaseArtifact, running: str | None) -> Reason | None:
    """Why it may not follow what runs now; a version that cannot be compared counts as too old."""
    if artifact.follows is None:
        return None
    oldest = version_key(artifact.follows)
    if running is None or oldest is None or (now := version_key(running)) is None:
        return Reason(
            "cannot-follow-unknown",
            f"{artifact.name} follows {artifact.follows} or newer; which version runs is not known",
            "Probe the node, or add a baseline that tells its version.",
        )
    if now >= oldest:
        return None
    return Reason(
        "too-old-to-follow",
        f"{artifact.name} follows {artifact.follows} or newer; the node runs {running}",
        f"Deploy a release between {running} and {artifact.follows} first.",
    )


class Return(StrEnum):
    """Whether an older firmware can read the settings that a newer one leaves on the node."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def may_return(newer: ReleaseArtifact, older_format: str | None) -> Return:
    """Whether firmware with ``older_format`` can be gone back to once ``newer`` has run.

    Where neither says a data format there is nothing that could be unreadable.  Where
    only one does, nobody has vouched for it.
    """
    if newer.data_format is None or older_format is None:
        return Return.YES if newer.data_format == older_format else Return.UNKNOWN
    if older_format == newer.data_format or older_format in newer.can_return_to:
        return Return.YES
    return Return.NO
