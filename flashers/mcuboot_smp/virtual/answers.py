"""What the server and the image group say to each other: an answer, or a refusal."""

from dataclasses import dataclass
from typing import Any

from flashers.mcuboot_smp.codec import Group, SaidNo

Body = dict[str, Any]


class No(Exception):
    """The server refuses; ``group`` None is an error that all groups share."""

    def __init__(self, number: int, group: int | None = Group.IMAGE) -> None:
        super().__init__(number)
        self.said = SaidNo(number, group)


@dataclass(slots=True)
class Reply:
    """An answer, how long the work on it takes, and whether the node restarts after it."""

    body: Body
    takes: float = 0.0
    restart: bool = False
    into_loader: bool = False


@dataclass(slots=True)
class UploadState:
    """An upload under way; it lies in RAM and is gone after a restart."""

    image: int
    slot: int
    size: int
    sha: bytes
    offset: int = 0
