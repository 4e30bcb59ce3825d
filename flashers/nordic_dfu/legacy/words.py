"""The numbers of Nordic's legacy DFU, as nodes with an SDK up to 11 speak it.

Sources: nRF5 SDK 11, ``ble_dfu.h``/``ble_dfu.c`` (service, operations, results),
``dfu_types.h`` (image types, sizes), ``dfu_transport_ble.c`` (what a loader answers and
when); the documentation of Nordic's Android DFU library (what the revisions mean);
micro:bit DAL, ``MicroBitDFUService`` (the board's own door to its loader).
"""

from enum import IntEnum, IntFlag

SERVICE = "00001530-1212-efde-1523-785feabcd123"
CONTROL = "00001531-1212-efde-1523-785feabcd123"
"""Commands are written to it with response; answers come as notifications."""
PACKET = "00001532-1212-efde-1523-785feabcd123"
"""Sizes, init packet and image are written to it without response."""
REVISION = "00001534-1212-efde-1523-785feabcd123"
"""Two bytes, little endian; since SDK 7."""

MICROBIT_SERVICE = "e95d93b0-251d-470a-a062-fa1922dfa9a8"
MICROBIT_CONTROL = "e95d93b1-251d-470a-a062-fa1922dfa9a8"
"""One byte; 1 makes the board hang up and restart in its loader a second later."""
MICROBIT_ENTER = b"\x01"

APPLICATION_REVISION = 0x0001
"""What the service tells in an application, which only leads into the loader (SDK 7 and later)."""

PACKET_BYTES = 20
"""An ATT MTU of 23, which is all that SoftDevices of that time agree to."""
AHEAD = 4
"""Packets that may be under way at most.

Loaders hold as few as eight (``hci_mem_pool``: ``HCI_RX_BUF_QUEUE_SIZE`` of Adafruit's build of SDK 11, where
more is known to be lost), and a receipt comes when a packet is held, not when it is written.
"""
WORD = 4
"""Images and all pieces of them but init packets are whole words."""
INIT_BYTES = 128
"""The most that a loader keeps of an init packet (``dfu_dual_bank.c``; 64 in ``dfu_single_bank.c``)."""
CCCD_IMPROPER = 0xFD
"""ATT error: the control point was written by somebody who does not listen to it."""


class Op(IntEnum):
    """Operations of the control point."""

    START = 1
    INIT = 2
    RECEIVE = 3
    VALIDATE = 4
    ACTIVATE = 5
    """Activate and reset: answered by the end of the connection."""
    RESET = 6
    REPORT_SIZE = 7
    RECEIPTS = 8
    """After how many packets a receipt shall come; 0 for never."""
    RESPONSE = 16
    RECEIPT = 17


class Result(IntEnum):
    """How an operation ended."""

    SUCCESS = 1
    INVALID_STATE = 2
    NOT_SUPPORTED = 3
    DATA_SIZE = 4
    CRC_ERROR = 5
    FAILED = 6


class Kind(IntFlag):
    """What is updated."""

    SOFTDEVICE = 1
    BOOTLOADER = 2
    APPLICATION = 4


class Step(IntEnum):
    """The argument of :attr:`Op.INIT`."""

    BEGIN = 0
    COMPLETE = 1
