"""What a radio library's refusals mean to whoever sent a frame.

Each library has exceptions and status codes of its own; zigpy puts most of them into one
``DeliveryError`` with a status.  A status is an enumeration's member, whose *name* is alike in
all of them, so that names are what is looked at.
"""

from typing import Any

from transports.errors import LinkError, LinkLost
from transports.zigbee.errors import FrameTooLong, NotDelivered

_TOO_LONG = frozenset(
    {
        "INVALID_PARAMETER",  # Z-Stack: AF_DataRequest with more than its APS layer takes in one piece
        "MAC_FRAME_TOO_LONG",  # IEEE 802.15.4, table 78
        "APS_ASDU_TOO_LONG",  # Zigbee specification, table 2-26
        "MESSAGE_TOO_LONG",  # EmberZNet
    }
)


def refusal(error: BaseException, ieee: str, size: int) -> LinkError:
    """The named error for what a library raised as a frame was sent.

    Args:
        error: what it raised.
        ieee: the node that the frame was for.
        size: bytes of its ZCL frame.
    """
    if isinstance(error, TimeoutError):
        return NotDelivered(f"the coordinator did not confirm a frame for {ieee} in time")
    status: Any = getattr(error, "status", None)
    name = getattr(status, "name", "")
    if name in _TOO_LONG:
        return FrameTooLong(
            f"a frame of {size} bytes for {ieee} is more than the route carries in one piece ({name})"
        )
    if _is_disconnected(error):
        return LinkLost(f"the coordinator went away as a frame was sent to {ieee}")
    return NotDelivered(f"a frame for {ieee} was not delivered: {name or error}")


def _is_disconnected(error: BaseException) -> bool:
    """Libraries say in words that their port was closed under them."""
    if isinstance(error, AttributeError | ConnectionError | OSError):
        return True
    text = str(error).lower()
    return "disconnected" in text or "not running" in text or "not connected" in text
