"""The numbers of Nordic's secure DFU over Bluetooth LE.

Sources: nRF5 SDK 17.1.0, ``nrf_dfu_req_handler.h`` (operations, results),
``nrf_dfu_handling_error.h`` (extended errors), ``nrf_dfu_ble.c`` (loader's service),
``ble_dfu.h`` (buttonless service and its operations).
"""

from enum import IntEnum

from transports.gatt import uuid16

SERVICE = uuid16(0xFE59)
"""The same in applications and loaders; what is in it tells them apart."""
CONTROL = "8ec90001-f315-4f60-9fb8-838830daea50"
"""Loader: requests are written with response, answers are notified."""
PACKET = "8ec90002-f315-4f60-9fb8-838830daea50"
"""Loader: contents of objects, written without response."""
BUTTONLESS = "8ec90003-f315-4f60-9fb8-838830daea50"
"""Application without bonds: written with response, answers are indicated."""
BUTTONLESS_BONDED = "8ec90004-f315-4f60-9fb8-838830daea50"
"""The same with bonds; it wants an encrypted link."""

LOADER_NAME = "DfuTarg"
"""What loaders call out unless they were given another name."""
NAME_BYTES = 20
"""The longest name that can be set."""
CCCD_IMPROPER = 0xFD
"""ATT error: written by somebody who does not listen to the answers (Core, Vol 3, Part F, 3.4.1.1)."""


class Op(IntEnum):
    """Operations of the loader's control point."""

    CREATE = 0x01
    RECEIPTS = 0x02
    CRC = 0x03
    """Also the form of a packet receipt."""
    EXECUTE = 0x04
    SELECT = 0x06
    ABORT = 0x0C
    RESPONSE = 0x60


class Object(IntEnum):
    """What is created, selected and executed."""

    COMMAND = 1
    """The init packet."""
    DATA = 2
    """A page of the image."""


class Result(IntEnum):
    """How an operation of the loader ended."""

    INVALID = 0x00
    SUCCESS = 0x01
    NOT_SUPPORTED = 0x02
    INVALID_PARAMETER = 0x03
    INSUFFICIENT_RESOURCES = 0x04
    INVALID_OBJECT = 0x05
    UNSUPPORTED_TYPE = 0x07
    NOT_PERMITTED = 0x08
    FAILED = 0x0A
    EXTENDED = 0x0B
    """One more byte says what it is."""


class Extended(IntEnum):
    """Why an init packet or an image was refused."""

    NO_ERROR = 0x00
    INVALID_CODE = 0x01
    WRONG_COMMAND_FORMAT = 0x02
    UNKNOWN_COMMAND = 0x03
    INIT_COMMAND_INVALID = 0x04
    FW_VERSION_FAILURE = 0x05
    HW_VERSION_FAILURE = 0x06
    SD_VERSION_FAILURE = 0x07
    SIGNATURE_MISSING = 0x08
    WRONG_HASH_TYPE = 0x09
    HASH_FAILED = 0x0A
    WRONG_SIGNATURE_TYPE = 0x0B
    VERIFICATION_FAILED = 0x0C
    INSUFFICIENT_SPACE = 0x0D


class Door(IntEnum):
    """Operations of the application's buttonless characteristic."""

    ENTER = 0x01
    SET_NAME = 0x02
    RESPONSE = 0x20


class DoorResult(IntEnum):
    """How they ended."""

    SUCCESS = 0x01
    NOT_SUPPORTED = 0x02
    FAILED = 0x04
    NAME_INVALID = 0x05
    BUSY = 0x06
    NOT_BONDED = 0x07
