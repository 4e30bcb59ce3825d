"""What an image of several pieces is, whichever way its file was cut into records.

A node that cannot name a digest of its firmware is read and compared; the image's
own name is then the digest over what it puts where.
"""

import hashlib
from collections.abc import Iterable

from flashers.api import Digest, Segment
from flashers.images.errors import ImageOverlap

ALGORITHM = "sha256-extents"


def merged(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """The same bytes in as few pieces as possible, by address; empty pieces are gone.

    Raises:
        ImageOverlap: two pieces give the same address.
    """
    groups: list[list[Segment]] = []
    end = -1
    for segment in sorted((s for s in segments if s.data), key=lambda s: s.address):
        if segment.address < end:
            raise ImageOverlap(f"address {segment.address:#x} is given twice")
        if segment.address == end:
            groups[-1].append(segment)
        else:
            groups.append([segment])
        end = segment.end
    return tuple(Segment(group[0].address, b"".join(s.data for s in group)) for group in groups)


def extents_digest(segments: Iterable[Segment]) -> Digest:
    """SHA-256 over address (8 bytes), length (8 bytes, both big endian) and bytes of each extent.

    Raises:
        ImageOverlap: two segments give the same address.
    """
    state = hashlib.sha256()
    for extent in merged(segments):
        state.update(extent.address.to_bytes(8, "big") + len(extent.data).to_bytes(8, "big") + extent.data)
    return Digest(ALGORITHM, state.digest())
