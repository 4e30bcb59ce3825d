"""What a manifest's word on hardware means for the nodes of a profile.

``follows`` and ``data_format`` are judged where a node is prepared, since only there
is it known what the node runs.
"""

from collections.abc import Collection

from flashers.api.data import Reason
from gateway.releases.manifest import ReleaseArtifact


def hardware_reason(artifact: ReleaseArtifact, hardware: Collection[str]) -> Reason | None:
    """Why nodes of this hardware may not have it; ``hardware`` is every id that they are known by.

    An artifact that names hardware is refused to nodes of which none is known.
    """
    if not artifact.hardware or any(one in artifact.hardware for one in hardware):
        return None
    known = ", ".join(hardware) if hardware else "not known"
    return Reason(
        "wrong-hardware",
        f"{artifact.name} is for {', '.join(artifact.hardware)}; the node's hardware is {known}.",
        "Deploy a release for this hardware, or correct `hardware` in the node's profile.",
    )
