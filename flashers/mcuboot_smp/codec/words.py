"""The commands and error codes of SMP that a flasher needs, by name.

Sources: Zephyr documentation, "SMP Protocol Specification", "Default/OS Management
Group" (group 0) and "Application/software image management group" (group 1); the
image group's error numbers are those of Zephyr's ``img_mgmt.h``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from flashers.mcuboot_smp.codec.messages import VERSION_2, Message


class Op(IntEnum):
    """What a message is; an answer is its request plus one."""

    READ = 0
    READ_ANSWER = 1
    WRITE = 2
    WRITE_ANSWER = 3


class Group(IntEnum):
    """Groups of commands."""

    OS = 0
    IMAGE = 1


class OsCommand(IntEnum):
    """Commands of group 0."""

    ECHO = 0
    RESET = 5
    PARAMETERS = 6
    INFO = 7
    BOOTLOADER = 8


class ImageCommand(IntEnum):
    """Commands of group 1."""

    STATE = 0
    UPLOAD = 1
    ERASE = 5
    SLOTS = 6


NOT_SUPPORTED = 8
"""MGMT_ERR_ENOTSUP: the server does not know this command."""
_BAD_STATE = 6
"""MGMT_ERR_EBADSTATE."""
_PASSING = frozenset({2, 10})
"""MGMT_ERR_ENOMEM and MGMT_ERR_EBUSY."""

_GENERAL = {
    1: "unknown error",
    2: "out of memory",
    3: "invalid argument",
    4: "timeout",
    5: "no such entry",
    6: "not in this state",
    7: "message too large",
    8: "not supported",
    9: "corrupt",
    10: "busy",
    11: "access denied",
    12: "protocol too old",
    13: "protocol too new",
}

_IMAGE = {
    1: "unknown error",
    2: "flash configuration cannot be read",
    3: "no image",
    4: "no TLVs",
    5: "invalid TLV",
    6: "more than one hash TLV",
    7: "TLV of a wrong size",
    8: "no image with this hash",
    9: "no free slot",
    10: "flash cannot be opened",
    11: "flash cannot be read",
    12: "flash cannot be written",
    13: "flash cannot be erased",
    14: "invalid slot",
    15: "out of memory",
    16: "an upload is under way",
    17: "no upload is under way",
    18: "no flash device",
    19: "invalid page",
    20: "no offset given",
    21: "no length given",
    22: "no image header",
    23: "wrong magic",
    24: "invalid hash",
    25: "linked for another slot",
    26: "the running version cannot be read",
    27: "the running version is not older",
    28: "an image is pending already",
    29: "invalid vector table",
    30: "image too large",
    31: "more data than announced",
    32: "confirmation denied",
    33: "the active slot cannot be tested",
    34: "the active slot is not known",
}

NO_FREE_SLOT = 9
NEWER_VERSION = 27
ALREADY_PENDING = 28
TOO_LARGE = 30


@dataclass(frozen=True, slots=True)
class SaidNo:
    """A server's refusal: ``group`` None is the general list that all groups share."""

    number: int
    group: int | None = None

    @property
    def unsupported(self) -> bool:
        """The server does not know the command at all."""
        return self.group is None and self.number == NOT_SUPPORTED

    @property
    def passing(self) -> bool:
        """The server lacks memory or is busy: the same request can succeed in a moment."""
        return self.group is None and self.number in _PASSING

    @property
    def slot_busy(self) -> bool:
        """The slot is not to be had; the original protocol only says "not in this state"."""
        if self.group is None:
            return self.number == _BAD_STATE
        return self.image(NO_FREE_SLOT) or self.image(ALREADY_PENDING)

    def image(self, number: int) -> bool:
        """Whether it is this error of the image group."""
        return self.group == Group.IMAGE and self.number == number

    def __str__(self) -> str:
        names = _IMAGE if self.group == Group.IMAGE else _GENERAL
        where = "" if self.group is None else f"group {self.group}, "
        known = names.get(self.number) if self.group in {None, Group.IMAGE} else None
        return f"{known or 'an error of its own'} ({where}rc {self.number})"


def said_no(body: Mapping[str, Any]) -> SaidNo | None:
    """The refusal in an answer, in the present form (``err``) or the old one (``rc``)."""
    error = body.get("err")
    if isinstance(error, dict) and isinstance(error.get("rc"), int) and error["rc"]:
        group = error.get("group")
        return SaidNo(error["rc"], group if isinstance(group, int) else None)
    number = body.get("rc")
    if isinstance(number, int) and number:
        return SaidNo(number)
    return None


def encode_answer(request: Message, body: Mapping[str, Any]) -> Message:
    """The answer to a request, as a server sends it."""
    version = min(request.version, VERSION_2)
    return Message(request.op + 1, request.group, request.command, request.sequence, body, version)
