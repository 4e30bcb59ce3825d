"""Under which versions a node was offered older images: kept by the host, over attempts and lives.

A node that was offered an image under a version which is not the image's own may afterwards call
itself by that version, and nobody but us could know what it really runs.  So it is written down
before the node is told.
"""

import json
from dataclasses import dataclass

from flashers.api import FirmwareImage, Session

_NAME = "zigbee-ota-given"
_MOST = 6
"""Entries that are kept of a node; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Given:
    """An image under another version than its own."""

    told: int
    version: int
    artifact: str
    header: str = ""


def given(session: Session) -> tuple[Given, ...]:
    """What is known of this node; nothing, if what was kept cannot be read."""
    text = session.remembered(_NAME)
    if not text:
        return ()
    try:
        return tuple(Given(int(a), int(b), str(c), str(d)) for a, b, c, d in json.loads(text))
    except (ValueError, TypeError):
        return ()


def really(session: Session, told: int) -> Given | None:
    """What a node that calls itself by this version was given under it, if it was."""
    return next((each for each in reversed(given(session)) if each.told == told), None)


async def will_tell(session: Session, image: FirmwareImage, told: int, version: int, header: str) -> None:
    """Write down what is told of an image before it is told; its own version makes other words untrue."""
    kept = [each for each in given(session) if each.told != told]
    if told != version:
        kept.append(Given(told, version, str(image.artifact), header))
    if tuple(kept) == given(session):
        return
    rows = [[each.told, each.version, each.artifact, each.header] for each in kept[-_MOST:]]
    await session.remember(_NAME, json.dumps(rows) if rows else None)


def known_as(session: Session, image: FirmwareImage, version: int) -> frozenset[int]:
    """Every version under which this node may have been offered these very bytes."""
    artifact = str(image.artifact)
    return frozenset({version, *(each.told for each in given(session) if each.artifact == artifact)})
