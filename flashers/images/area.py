"""The part of a node's memory that an image may fill, and what lies around it."""

from collections.abc import Iterable
from dataclasses import dataclass

from flashers.api import ImageTooLarge, Segment
from flashers.images.errors import IntoBootSection, OutsidePart


@dataclass(frozen=True, slots=True)
class Area:
    """Addresses in bytes: the program memory of a part, and the application's share of it.

    What is in the memory but not in the application's share belongs to the loader,
    at whichever end that lives.
    """

    part: str
    memory: range
    application: range

    @property
    def size(self) -> int:
        """Bytes of program memory; no image of this part can hold more."""
        return len(self.memory)

    def check_size(self, size: int) -> None:
        """Refuse more bytes than there are, before anything is built of them.

        Raises:
            ImageTooLarge: so many bytes fit nowhere in this part.
        """
        if size > self.size:
            raise ImageTooLarge(f"{size} bytes are more than the {self.size} of {self.part}")

    def check(self, segments: Iterable[Segment]) -> None:
        """Refuse pieces that lie where they may not.

        Raises:
            OutsidePart: the part has no memory there.
            IntoBootSection: the loader lives there.
        """
        for segment in segments:
            what = f"{segment.address:#x}…{segment.end - 1:#x}"
            if not _inside(segment, self.memory):
                raise OutsidePart(f"{what} is outside {_told(self.memory)}, the memory of {self.part}")
            if not _inside(segment, self.application):
                raise IntoBootSection(
                    f"{what} reaches beyond {_told(self.application)}, the application area of {self.part}"
                )


def _inside(segment: Segment, area: range) -> bool:
    return area.start <= segment.address and segment.end <= area.stop


def _told(area: range) -> str:
    return f"{area.start:#x}…{area.stop - 1:#x}"
