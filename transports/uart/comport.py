"""The Telnet Com Port Control Option of RFC 2217: its commands, and settings in its numbers.

A client's command *n* is answered by the server with command *n* + 100 and the
value that now holds (RFC 2217, section 3).
"""

from enum import IntEnum

from transports.uart.settings import Parity
from transports.uart.telnet import COM_PORT, Subnegotiation

ANSWER = 100
"""Added to a command in the server's answer (RFC 2217, section 3)."""


class Command(IntEnum):
    """What a client says; RFC 2217, section 3."""

    SIGNATURE = 0
    SET_BAUDRATE = 1
    SET_DATASIZE = 2
    SET_PARITY = 3
    SET_STOPSIZE = 4
    SET_CONTROL = 5
    NOTIFY_LINESTATE = 6
    NOTIFY_MODEMSTATE = 7
    FLOWCONTROL_SUSPEND = 8
    FLOWCONTROL_RESUME = 9
    SET_LINESTATE_MASK = 10
    SET_MODEMSTATE_MASK = 11
    PURGE_DATA = 12


class Control(IntEnum):
    """Values of SET-CONTROL; RFC 2217, section 3."""

    NO_FLOW = 1
    XON_XOFF = 2
    HARDWARE_FLOW = 3
    BREAK_ON = 5
    BREAK_OFF = 6
    ASK_DTR = 7
    DTR_ON = 8
    DTR_OFF = 9
    ASK_RTS = 10
    RTS_ON = 11
    RTS_OFF = 12


PURGE_BOTH = 3
"""Value of PURGE-DATA for both buffers."""

PARITY_NUMBER = {Parity.NONE: 1, Parity.ODD: 2, Parity.EVEN: 3, Parity.MARK: 4, Parity.SPACE: 5}
"""Values of SET-PARITY."""


def say(command: int, payload: bytes) -> Subnegotiation:
    """A command or an answer as a subnegotiation."""
    return Subnegotiation(COM_PORT, bytes((command,)) + payload)


def baud_bytes(baud: int) -> bytes:
    """A speed as SET-BAUDRATE has it: four bytes, the highest first; 0 asks."""
    return baud.to_bytes(4, "big")


def group_of(control: int) -> frozenset[int]:
    """The values of SET-CONTROL that can answer this one: the states of the same line."""
    for group in _GROUPS:
        if control in group:
            return group
    return frozenset({control})


_GROUPS = (
    frozenset({Control.NO_FLOW, Control.XON_XOFF, Control.HARDWARE_FLOW}),
    frozenset({Control.BREAK_ON, Control.BREAK_OFF}),
    frozenset({Control.DTR_ON, Control.DTR_OFF}),
    frozenset({Control.RTS_ON, Control.RTS_OFF}),
)
