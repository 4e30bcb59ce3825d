"""SMP on a UART that also carries a console: messages as lines of base64.

Source: Zephyr documentation, "SMP over console" (services/device_mgmt/
smp_transport).  A line is at most 127 bytes: two marker bytes, base64, a newline.
The lines of one message, decoded and joined, are: length of the rest (u16), the
message, CRC-16/XMODEM of the message (u16), all in network order.

What stands between such lines is the node's console, and is skipped here.
"""

import binascii
import struct

from flashers.mcuboot_smp.codec.messages import BadMessage, Message, decode_packet

FIRST = b"\x06\x09"
"""Begins the first line of a message."""
NEXT = b"\x04\x14"
"""Begins every further line of it."""
LINE_LENGTH = 127
"""Bytes of a line, markers and newline included."""

_FRAME = 4
"""Length and CRC, which are inside the base64."""
_U16 = struct.Struct(">H")
_LONGEST_LINE = 1024
"""Bytes kept while no newline comes: eight lines as they should be."""
_LARGEST_PACKET = 16 * 1024
"""A message that claims to be longer is none: MCUmgr's own buffers are below 4 KiB."""


def max_packet(lines: int, line_length: int = LINE_LENGTH) -> int:
    """The longest message, header included, that fits into so many lines."""
    return lines * (_characters(line_length) // 4 * 3) - _FRAME


def encode_lines(packet: bytes, line_length: int = LINE_LENGTH) -> bytes:
    """A message as the lines to write."""
    framed = _U16.pack(len(packet) + 2) + packet + _U16.pack(binascii.crc_hqx(packet, 0))
    text = binascii.b2a_base64(framed, newline=False)
    step = _characters(line_length)
    # Base64 of the whole may be cut at any four characters: each line decodes by itself.
    lines = [FIRST + text[:step]]
    lines += [NEXT + text[start : start + step] for start in range(step, len(text), step)]
    lines.append(b"")
    return b"\n".join(lines)


def _characters(line_length: int) -> int:
    return (line_length - len(FIRST) - 1) // 4 * 4


class ConsoleDecoder:
    """Finds messages in what a UART gives, however it is cut.

    ``dropped`` counts messages that had begun and could not be read; they are not
    errors, since the request is simply sent again.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._unfinished = b""
        self._packet: bytearray | None = None

    def receive_data(self, data: bytes) -> list[Message]:
        """Take bytes from the line and return the messages that they complete."""
        lines = (self._unfinished + data).split(b"\n")
        self._unfinished = lines.pop()[-_LONGEST_LINE:]
        found = []
        for line in lines:
            message = self._line(line)
            if message is not None:
                found.append(message)
        return found

    def _line(self, line: bytes) -> Message | None:
        # A node that lost power leaves half a line, and the next one begins behind it.
        first, following = line.rfind(FIRST), line.rfind(NEXT)
        if first > following:
            self._packet = bytearray()
            text = line[first + len(FIRST) :]
        elif following >= 0 and self._packet is not None:
            text = line[following + len(NEXT) :]
        else:
            return None
        try:
            self._packet += binascii.a2b_base64(text.rstrip(b"\r"), strict_mode=True)
            return self._complete(self._packet)
        except (binascii.Error, BadMessage):
            self.dropped += 1
            self._packet = None
            return None

    def _complete(self, packet: bytearray) -> Message | None:
        if len(packet) < _U16.size:
            return None
        (size,) = _U16.unpack_from(packet)
        if size > _LARGEST_PACKET or len(packet) > size + _U16.size:
            raise BadMessage(f"{len(packet)} bytes came for a message of {size}")
        if len(packet) < size + _U16.size:
            return None
        self._packet = None
        # The CRC of a message with its own CRC behind it is zero.
        if binascii.crc_hqx(packet[_U16.size :], 0):
            raise BadMessage("the checksum is wrong")
        return decode_packet(bytes(packet[_U16.size : -_U16.size]))
