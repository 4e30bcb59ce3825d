"""SMP without lines: messages one after the other, as notifications and writes carry them.

Source: Zephyr documentation, "SMP Protocol Specification", and its Bluetooth transport: a
message may be cut into as many values as the ATT MTU asks for; its header says how long it is.
"""

from flashers.mcuboot_smp.codec.messages import HEADER, BadMessage, Message, decode_packet

_LARGEST_PACKET = 16 * 1024


class PacketDecoder:
    """Puts values together to messages; ``dropped`` counts what could not be read."""

    def __init__(self) -> None:
        self.dropped = 0
        self._unfinished = bytearray()

    def receive_data(self, data: bytes) -> list[Message]:
        """Take a value and return the messages that it completes."""
        self._unfinished += data
        found = []
        while len(self._unfinished) >= HEADER.size:
            size = HEADER.size + HEADER.unpack_from(self._unfinished)[2]
            if size > _LARGEST_PACKET:
                self.dropped += 1
                self._unfinished.clear()
                break
            if len(self._unfinished) < size:
                break
            packet = bytes(self._unfinished[:size])
            del self._unfinished[:size]
            try:
                found.append(decode_packet(packet))
            except BadMessage:
                self.dropped += 1
        return found

    def forget(self) -> None:
        """What had begun will not be finished: the connection, or the sender, is another one."""
        self._unfinished.clear()
