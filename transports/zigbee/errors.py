"""What can go wrong between a gateway and a Zigbee node, besides what can on any link."""

from transports.errors import LinkError, NodeUnreachable, TenderError


class BadFrame(TenderError):
    """These bytes are no frame."""

    code = "zigbee-bad-frame"
    remedy = "Nothing needs to be done: the frame was dropped, and its sender is named in the log."


class NotDelivered(NodeUnreachable):
    """The network could not bring a frame to the node."""

    code = "zigbee-not-delivered"
    remedy = "Give the node power, or a router in between; it goes on by itself when the node is heard."
    retryable = True


class FrameTooLong(LinkError):
    """The frame does not fit into what the route carries in one piece."""

    code = "zigbee-frame-too-long"
    remedy = "Nothing needs to be done: smaller blocks are used."


class CoordinatorLost(LinkError):
    """The coordinator is not there."""

    code = "zigbee-coordinator-lost"
    remedy = "Plug it in, or mend the connection; it is opened anew by itself."


class NetworkTrouble(LinkError):
    """The network could not be formed, resumed or changed."""

    code = "zigbee-network-trouble"
    remedy = "Look at the message; `tender zigbee backup list` shows what can be restored."
    retryable = False


class HostRefused(LinkError):
    """The software that owns the network did not bring the image to the node."""

    code = "zigbee-host-refused"
    remedy = "Look at that software's log; the node goes on with what it runs, and it is tried again."


class NotOurs(LinkError):
    """The network belongs to other software, which alone can do this."""

    code = "zigbee-not-ours"
    remedy = "Ask the software that owns the coordinator (zigbee2mqtt) to do it."
    retryable = False
