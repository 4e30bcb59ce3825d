"""How fast a Bluetooth LE connection carries data, written down before it is used.

A connection has an *event* every ``interval`` seconds.  In one event each side can
send up to ``packets`` packets of at most ``octets`` bytes; a packet that is lost is
sent again and uses up its turn.  Whatever is queued while an event happens goes out
with the next one, so an answer comes one event after its question.

The figures are those of a common pair of radios: 1M PHY, packets of 251 bytes (Core
Specification 5.4, Vol 6, Part B, 4.5.10), an interval of 15 ms.  A full packet and its
acknowledgement take 2,120 + 150 + 80 + 150 = 2,500 µs on the 1M PHY (Vol 6, Part B, 2.1 and
4.1.1), so five of them fit into an event with time to spare for the other nodes.
"""

from dataclasses import dataclass
from typing import Self

L2CAP_HEADER = 4
"""Length and channel (Core Specification, Vol 3, Part A, 3.1)."""
ATT_WRITE_HEADER = 3
"""Opcode and handle of a write command or a notification (Vol 3, Part F, 3.4.5 and 3.4.7)."""
_FRAME = 10
_GAP_US = 150
_VALUE = 244
"""Bytes of a value at an ATT MTU of 247: one full packet."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The pace of one connection; seconds, bytes and a share."""

    interval: float = 0.015
    packets: int = 5
    octets: int = 251
    loss: float = 0.0
    """The share of packets that have to be sent again."""
    supervision: float = 4.0
    """Seconds without a packet after which both sides call the connection lost."""

    @classmethod
    def paced(cls, rate: float, latency: float, *, loss: float = 0.0, supervision: float = 4.0) -> Self:
        """A pace by what a user sees of it.

        Args:
            rate: bytes a second of values, one way, at an MTU of 247.
            latency: seconds of an answer: two events.
            loss: as in the class.
            supervision: as in the class.

        The rate is kept; the latency is as near to it as whole packets allow.

        Raises:
            ValueError: one of them is not above zero.
        """
        if rate <= 0 or latency <= 0:
            raise ValueError("a pace has a rate and a latency above zero")
        packets = round(rate * latency / 2 / _VALUE) or 1
        return cls(interval=packets * _VALUE / rate, packets=packets, loss=loss, supervision=supervision)

    def packets_for(self, size: int) -> int:
        """How many packets a PDU of so many bytes takes."""
        return max(1, -(-size // self.octets))

    def air_time(self, size: int) -> float:
        """Seconds that a packet of ``size`` bytes and its acknowledgement have the air to themselves.

        Ten bytes of preamble, address, header and checksum at a bit per microsecond, and an empty packet
        back, with 150 µs before each (Vol 6, Part B, 2.1 and 4.1.1).
        """
        return ((size + _FRAME) * 8 + 2 * _GAP_US + _FRAME * 8) / 1e6

    def raw_rate(self, att_mtu: int) -> float:
        """Bytes a second of values, one way, if nothing has to be waited for.

        ``packets × payload / interval × (1 − loss)``, where a value fills one PDU of ``att_mtu``.
        """
        value = att_mtu - ATT_WRITE_HEADER
        per_event = self.packets / self.packets_for(att_mtu + L2CAP_HEADER)
        return per_event * value / self.interval * (1 - self.loss)

    def windowed_rate(self, window: float) -> float:
        """Bytes a second if at most ``window`` bytes may be unanswered: ``window / round trip``.

        A round trip is two events: the request goes with one, its answer with the next.
        """
        return window / (2 * self.interval)

    def limit(self, att_mtu: int, window: float) -> float:
        """What the air can carry of an upload: the smaller of the two rates, in bytes a second."""
        return min(self.raw_rate(att_mtu), self.windowed_rate(window))


RADIO = Timing()
"""What tests and the demo use if nothing else is said."""
