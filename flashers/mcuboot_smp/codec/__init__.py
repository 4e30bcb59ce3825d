"""Bytes to SMP messages and back: no port, no clock, no log.

``console`` cuts lines out of a UART's stream, ``messages`` reads what is in them,
``words`` names commands and error codes.
"""

from flashers.mcuboot_smp.codec.console import ConsoleDecoder, encode_lines, max_packet
from flashers.mcuboot_smp.codec.messages import BadMessage, Message, decode_packet, encode_packet
from flashers.mcuboot_smp.codec.words import (
    Group,
    ImageCommand,
    Op,
    OsCommand,
    SaidNo,
    encode_answer,
    said_no,
)

__all__ = [
    "BadMessage",
    "ConsoleDecoder",
    "Group",
    "ImageCommand",
    "Message",
    "Op",
    "OsCommand",
    "SaidNo",
    "decode_packet",
    "encode_answer",
    "encode_lines",
    "encode_packet",
    "max_packet",
    "said_no",
]
