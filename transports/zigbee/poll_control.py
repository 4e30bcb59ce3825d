"""What a sleepy node that checks in is told: to stay awake for somebody, or to sleep on.

A node that hears nothing waits for it with its receiver on, which costs its battery; so every
check-in is answered (ZCL revision 8, 3.16.5.4).
"""

import struct

from transports.zcl import Zcl

CHECK_IN_RESPONSE, FAST_POLL_STOP = 0x00, 0x01
AWAKE = 30.0
"""Seconds for which a node asks its parent often, if nobody says otherwise: enough for a session to begin."""


def check_in_response(check_in: Zcl, *, stay: bool, seconds: float = AWAKE) -> Zcl:
    """The answer to a check-in: whether to poll fast, and for how long (quarters of a second)."""
    return Zcl(
        check_in.cluster,
        CHECK_IN_RESPONSE,
        struct.pack("<BH", stay, round(seconds * 4) if stay else 0),
        endpoint=check_in.endpoint,
        tsn=check_in.tsn,
        profile=check_in.profile,
    )


def sleep_again(endpoint: int) -> Zcl:
    """A session with the node has ended: it need not poll fast any longer."""
    return Zcl(0x0020, FAST_POLL_STOP, endpoint=endpoint)
