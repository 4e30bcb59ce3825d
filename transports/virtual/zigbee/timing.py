"""How fast a Zigbee channel carries data, written down before it is used.

All nodes within earshot share one channel of 250 kbit/s.  Whoever has a frame waits a random
time, listens, and sends; the receiver acknowledges, and what is not acknowledged is sent again.
A frame that has two hops to go is on the same channel twice.

The figures are those of IEEE 802.15.4 (2011 and 2020; the O-QPSK PHY at 2.4 GHz) and of the
Zigbee specification (05-3474, revision 21 and 22).  Two are ours and say so: what a chip needs
to take a frame through its stack, and how a virtual network spreads its repeated announcements.

**The computed limit.**  A frame crosses one hop in

    cycle = backoff + CCA + turnaround + frame + turnaround + acknowledgement
    backoff = mean of 0..(2^macMinBE - 1) periods = 3.5 x 320 us = 1,120 us
    CCA = 8 symbols = 128 us; turnaround = 12 symbols = 192 us
    frame = (6 + PSDU) x 32 us; acknowledgement = (6 + 5) x 32 us = 352 us

and an image's blocks in at most

    limit = size / (hops x sum of (cycle + pause))
    PSDU of a block = 45 (MAC, NWK, security, APS) + route + 17 (ZCL) + size

The blocks of a page follow each other out of one radio, which pauses for the long inter-frame
space, 640 us: blocks of 64 bytes on one hop make 9.3 kB/s.  Where each block is asked for, or
acknowledged by the application layer, those are frames of their own (45 and 17, or 45 bytes), out
of another radio each time: no inter-frame space, but what a chip needs to take a frame in beyond
the time of its acknowledgement.  It is the limit of one conversation.  Several at once share the
waiting, and pay for it by collisions; nothing else is in the formula, and nothing of it is fitted.
"""

SYMBOL = 16e-6
"""Seconds of a symbol: 62.5 ksymbol/s (802.15.4-2011, 10.2, as all clauses below that name no other)."""
BYTE = 2 * SYMBOL
"""Seconds of a byte: two symbols, 250 kbit/s."""
PHY_HEADER = 6
"""Preamble 4, start of frame 1, length 1 (10.1)."""
MAX_PSDU = 127
"""aMaxPHYPacketSize (9.2)."""

BACKOFF_PERIOD = 20 * SYMBOL
"""aUnitBackoffPeriod (6.4.1)."""
CCA = 8 * SYMBOL
"""phyCCADuration (8.2.7)."""
TURNAROUND = 12 * SYMBOL
"""aTurnaroundTime, between hearing and sending (8.2.1 and 9.2)."""
MIN_BE, MAX_BE, MAX_BACKOFFS = 3, 5, 4
"""macMinBE, macMaxBE, macMaxCSMABackoffs: their defaults (6.4.2, table 52)."""
MAX_RETRIES = 3
"""macMaxFrameRetries: its default."""
ACK_PSDU = 5
"""Frame control 2, sequence 1, check 2 (5.2.2.3)."""
ACK_WAIT = 54 * SYMBOL
"""macAckWaitDuration: backoff period, turnaround, and the header and six bytes (6.4.3)."""
LONG_GAP, SHORT_GAP, SHORT_FRAME = 40 * SYMBOL, 12 * SYMBOL, 18
"""macLIFSPeriod, macSIFSPeriod, aMaxSIFSFrameSize: what a sender leaves between its frames (5.1.1.3)."""

MAC = 11
"""Control 2, sequence 1, network 2, two short addresses 4, check 2 (5.2.1)."""
NWK = 8
"""Control 2, two addresses 4, radius 1, sequence 1 (Zigbee, 3.3.1)."""
SECURITY = 18
"""Control 1, counter 4, source 8, key number 1, integrity code 4 (Zigbee, 4.5.1; level 5)."""
APS = 8
"""Control 1, endpoints 2, cluster 2, profile 2, counter 1 (Zigbee, 2.2.5.1)."""
OVERHEAD = MAC + NWK + SECURITY + APS
MAX_ASDU = MAX_PSDU - OVERHEAD
"""82: what an application may hand over in one piece to a neighbour."""
ZCL_BLOCK = 17
"""In front of a block: ZCL header 3, status 1, manufacturer 2, type 2, version 4, offset 4, length 1."""
ZCL_REQUEST = 17
"""An Image Block Request without its optional fields: ZCL header 3, 14 of fields."""
MAX_BLOCK = MAX_ASDU - ZCL_BLOCK
"""65: the largest block that a neighbour gets in one piece."""

POLL_PSDU = MAC + 1
"""A data request of a sleepy node: no payload but the command's number (5.3.4)."""
PERSISTENCE = 7.68
"""Seconds that a parent keeps a frame: macTransactionPersistenceTime, 500 x 15.36 ms (6.4.2, table 52)."""
INDIRECT_PLACES = 8
"""Frames that a parent keeps for one child; ours (the specification asks for one at least)."""
FAST_POLL = 0.1
"""Seconds between two polls of a node that waits for an acknowledgement (Z-Stack, RESPONSE_POLL_RATE)."""

APS_RETRIES = 3
"""apscMaxFrameRetries (Zigbee, 2.2.7.1)."""
APS_WAIT = 0.05 * 2 * 15 + 0.1
"""apscAckWaitDuration: 0.05 x 2 x nwkMaxDepth plus 0.1 for the security (Zigbee, 2.2.7.1); 1.6 s."""
APS_WAIT_SLEEPY = 3.0
"""Likewise of a sender that has to ask its parent for the answer (Z-Stack, APSC_ACK_WAIT_DURATION_POLLED)."""
DUPLICATES_FOR = 10.0
"""Seconds for which a stack remembers what it has had; ours (the specification asks for some time)."""

BROADCASTS = 3
"""Times that a broadcast is sent: once, and nwkMaxBroadcastRetries 2 (Zigbee, 3.6.5)."""
BROADCAST_GAP = 0.5
"""Seconds between them: nwkPassiveAckTimeout (Zigbee, table 3-58)."""

PROCESSING = 0.001
"""Seconds that a chip needs to take a frame through its stack; ours, the order of an AES-CCM* in software."""


def route_cost(hops: int) -> int:
    """Bytes of the route that a concentrator writes into a frame: 2 + 2n for n relays (Zigbee, 3.3.1.9)."""
    return 0 if hops < 2 else 2 + 2 * (hops - 1)


def largest_block(hops: int) -> int:
    """The largest block that reaches a node over so many hops in one piece."""
    return MAX_BLOCK - route_cost(hops)


def air_time(psdu: int) -> float:
    """Seconds that a frame of so many bytes is on the air, without its acknowledgement."""
    return (PHY_HEADER + psdu) * BYTE


def cycle(psdu: int) -> float:
    """Seconds from a free channel until a frame of so many bytes is acknowledged, on average."""
    backoff = float(2**MIN_BE - 1) / 2 * BACKOFF_PERIOD
    return backoff + CCA + TURNAROUND + air_time(psdu) + TURNAROUND + air_time(ACK_PSDU)


def limit(size: int, *, hops: int = 1, asked: bool = False, acknowledged: bool = False) -> float:
    """Bytes a second of an image that one conversation carries at most, by the formula above.

    Args:
        size: bytes of a block.
        hops: how often each frame is on the air.
        asked: each block has a request of its own (block requests), else a page's blocks follow each other.
        acknowledged: each block is acknowledged by the node's application layer as well.
    """
    frames = [OVERHEAD + route_cost(hops) + ZCL_BLOCK + size]
    if asked:
        frames.append(OVERHEAD + ZCL_REQUEST)
    if acknowledged:
        frames.append(OVERHEAD)
    if hops == 1 and len(frames) == 1:
        pause = LONG_GAP
    else:
        pause = max(0.0, PROCESSING - TURNAROUND - air_time(ACK_PSDU))
    return size / (hops * sum(cycle(psdu) + pause for psdu in frames))
