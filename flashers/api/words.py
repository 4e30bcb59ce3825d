"""The closed word lists that flashers, host and upstream have in common.

Every list is stored and sent by its text, never by its position, so a list can
grow without changing what older records mean.
"""

from enum import StrEnum


class ComponentKind(StrEnum):
    """What a part of a node's memory is for."""

    FIRMWARE = "firmware"
    LOADER = "loader"
    CONFIG = "config"
    DATA = "data"


class Role(StrEnum):
    """In which of its lives a node was found."""

    APP = "app"
    LOADER = "loader"
    ASLEEP = "asleep"
    SILENT = "silent"
    UNKNOWN = "unknown"


class Of(StrEnum):
    """What a piece of evidence is about: the bytes in flash, or what runs."""

    TRANSFER = "transfer"
    BOOT = "boot"


class EvidenceKind(StrEnum):
    """How something is known, strongest first."""

    COMPUTED_HASH = "computed-hash"
    """The loader hashed its flash."""
    READBACK = "readback"
    """We read its flash."""
    REPORTED_HASH = "reported-hash"
    """The node named its image's digest."""
    CHECKSUM = "checksum"
    """The loader compared a checksum of what it took; which image that was it cannot tell."""
    VERSION = "version"
    """The node named a version."""
    ANNOUNCE = "announce"
    """The node said that it is there."""
    NONE = "none"


class RollbackKind(StrEnum):
    """How a node gets back to what it ran before."""

    BOOTLOADER = "bootloader"
    """A trial image that is not confirmed is reverted by the node itself at its next reset."""
    SLOT_SWITCH = "slot-switch"
    """The old image is still in the other slot and is chosen again."""
    REFLASH = "reflash"
    """The known-good is sent again."""
    RESTORE = "restore"
    """What was read from the node before the first erase is sent back."""
    NONE = "none"


class ProbeCost(StrEnum):
    """What looking at a node does to it."""

    NONE = "none"
    WAKES = "wakes"
    RESTARTS_APPLICATION = "restarts-application"


class Resume(StrEnum):
    """What an interrupted transfer survives without starting again."""

    SURVIVES_RESET = "survives-reset"
    SURVIVES_LINK = "survives-link"
    NONE = "none"


class Activation(StrEnum):
    """Whether a transferred image waits to be activated."""

    SEPARATE = "separate"
    """The image waits in a second slot until it is activated."""
    WITH_LAST_BYTE = "with-last-byte"
    """Writing is what replaces the firmware: there is one slot."""


class Initiative(StrEnum):
    """Who asks for the bytes."""

    PUSH = "push"
    PULL = "pull"


class Exposure(StrEnum):
    """Whether there is a time in which the node has no firmware that runs."""

    NONE = "none"
    WINDOW = "window"
    """From the first erase to the last page."""


class ResetKind(StrEnum):
    """The ways in which the host can restart a node."""

    DTR = "dtr"
    RTS = "rts"
    NONE = "none"


class Strength(StrEnum):
    """How sure an identity is, strongest first."""

    HW_ID = "hw-id"
    BONDED = "bonded"
    ADDRESS = "address"
    POSITION = "position"
    OPERATOR = "operator"
