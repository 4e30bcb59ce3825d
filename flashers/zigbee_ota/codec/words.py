"""The numbers of the OTA cluster and of what else is read from such nodes.

Source: ZCL revision 8, 11 (OTA cluster), 2.4 to 2.6 (general commands, data types, statuses), 3.2 (Basic),
3.3 (Power Configuration), 3.16 (Poll Control).
"""

from enum import IntEnum, IntFlag

OTA = 0x0019
BASIC = 0x0000
POWER = 0x0001
IDENTIFY = 0x0003
POLL_CONTROL = 0x0020
TEMPERATURE = 0x0402

MAGIC = 0x0BEEF11E
"""What a file begins with, little endian (11.4.2.1)."""
ANY = 0xFFFF
"""Manufacturer code or image type that stands for every one (11.2.3, 11.4.2.6)."""
ANY_VERSION = 0xFFFFFFFF
"""File version that stands for every one (11.4.2.7)."""
FOREVER = 0xFFFFFFFF
"""An upgrade time that tells a node to wait until it is told otherwise (11.13.9.9)."""


class Status(IntEnum):
    """Statuses (2.6.3)."""

    SUCCESS = 0x00
    FAILURE = 0x01
    NOT_AUTHORIZED = 0x7E
    MALFORMED_COMMAND = 0x80
    UNSUPPORTED_COMMAND = 0x81
    UNSUPPORTED_GENERAL_COMMAND = 0x82
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    INSUFFICIENT_SPACE = 0x89
    NOT_FOUND = 0x8B
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    TIMEOUT = 0x94
    ABORT = 0x95
    INVALID_IMAGE = 0x96
    WAIT_FOR_DATA = 0x97
    NO_IMAGE_AVAILABLE = 0x98
    REQUIRE_MORE_IMAGE = 0x99
    UNSUPPORTED_CLUSTER = 0xC3


class Command(IntEnum):
    """Commands of the OTA cluster (11.13.1)."""

    IMAGE_NOTIFY = 0x00
    QUERY_NEXT_IMAGE_REQUEST = 0x01
    QUERY_NEXT_IMAGE_RESPONSE = 0x02
    IMAGE_BLOCK_REQUEST = 0x03
    IMAGE_PAGE_REQUEST = 0x04
    IMAGE_BLOCK_RESPONSE = 0x05
    UPGRADE_END_REQUEST = 0x06
    UPGRADE_END_RESPONSE = 0x07
    QUERY_DEVICE_SPECIFIC_FILE_REQUEST = 0x08
    QUERY_DEVICE_SPECIFIC_FILE_RESPONSE = 0x09


class OtaAttribute(IntEnum):
    """Attributes of the OTA cluster's client (11.10)."""

    UPGRADE_SERVER_ID = 0x0000
    FILE_OFFSET = 0x0001
    CURRENT_FILE_VERSION = 0x0002
    CURRENT_STACK_VERSION = 0x0003
    DOWNLOADED_FILE_VERSION = 0x0004
    DOWNLOADED_STACK_VERSION = 0x0005
    IMAGE_UPGRADE_STATUS = 0x0006
    MANUFACTURER_ID = 0x0007
    IMAGE_TYPE_ID = 0x0008
    MINIMUM_BLOCK_PERIOD = 0x0009
    IMAGE_STAMP = 0x000A


class UpgradeStatus(IntEnum):
    """Values of ImageUpgradeStatus (11.10.7)."""

    NORMAL = 0x00
    DOWNLOADING = 0x01
    COMPLETE = 0x02
    WAITING = 0x03
    COUNT_DOWN = 0x04
    WAIT_FOR_MORE = 0x05


class BasicAttribute(IntEnum):
    """Attributes of the Basic cluster (3.2.2.2)."""

    ZCL_VERSION = 0x0000
    APPLICATION_VERSION = 0x0001
    STACK_VERSION = 0x0002
    HARDWARE_VERSION = 0x0003
    MANUFACTURER_NAME = 0x0004
    MODEL_IDENTIFIER = 0x0005
    DATE_CODE = 0x0006
    POWER_SOURCE = 0x0007
    SW_BUILD_ID = 0x4000


class PowerAttribute(IntEnum):
    """Attributes of Power Configuration (3.3.2.2.3): tenths of a volt, and half percents."""

    BATTERY_VOLTAGE = 0x0020
    BATTERY_PERCENTAGE = 0x0021


class PollAttribute(IntEnum):
    """Attributes of Poll Control, in quarters of a second (3.16.4)."""

    CHECK_IN_INTERVAL = 0x0000
    LONG_POLL_INTERVAL = 0x0001
    SHORT_POLL_INTERVAL = 0x0002
    FAST_POLL_TIMEOUT = 0x0003


class PollCommand(IntEnum):
    """Commands of Poll Control: check-in comes from the node, the others from us (3.16.5)."""

    CHECK_IN = 0x00
    FAST_POLL_STOP = 0x01


class General(IntEnum):
    """Commands of every cluster (2.5)."""

    READ = 0x00
    READ_RESPONSE = 0x01
    WRITE = 0x02
    WRITE_RESPONSE = 0x04
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    READ_REPORTING = 0x08
    READ_REPORTING_RESPONSE = 0x09
    REPORT = 0x0A
    DEFAULT_RESPONSE = 0x0B


class Field(IntFlag):
    """Field control of a file's header (11.4.2.4)."""

    SECURITY = 0x0001
    DESTINATION = 0x0002
    HARDWARE = 0x0004


class Tag(IntEnum):
    """What a file's element is (11.4.4)."""

    UPGRADE_IMAGE = 0x0000
    SIGNATURE = 0x0001
    CERTIFICATE = 0x0002
    INTEGRITY = 0x0003
    PICTURE = 0x0004
    SIGNATURE_2 = 0x0005
    CERTIFICATE_2 = 0x0006


def version_text(version: int) -> str:
    """A file version as people write it, in hexadecimal."""
    return f"0x{version:08x}"
