"""Why something that upstream sent is not done: each its own code, told upstream and written down.

None of these ever reaches a node.
"""

from gateway.errors import MessageMalformed, RequestError
from transports.errors import TenderError


class MessageTooLarge(MessageMalformed):
    """The message is longer than any that the contract allows."""

    code = "message-too-large"
    remedy = "Select by profile or label instead of naming every node."


class SchemaUnknown(MessageMalformed):
    """The message is written in a newer form of the contract than this Tender knows."""

    code = "schema-unknown"
    remedy = "Update Tender, or send the form that the contract page of this version gives."


class CommandRetained(RequestError):
    """A command was published as retained: it would be done again at every connection."""

    code = "command-retained"
    remedy = "Publish commands without the retain flag, and clear this one with an empty retained message."


class CommandIdReused(RequestError):
    """This command's id was used a moment ago for another command."""

    code = "command-id-reused"
    remedy = "Give every command an id of its own, such as a UUID."


class UpstreamError(TenderError):
    """Upstream cannot be reached as it is configured; nodes are updated all the same."""

    code = "upstream-unreachable"
    remedy = "Check the broker and the [upstream.mqtt] table; what is to be told is kept until then."
    retryable = True


class UpstreamLost(UpstreamError):
    """The connection to upstream ended."""

    code = "upstream-lost"


class UpstreamRefused(UpstreamError):
    """Upstream answered, and said no."""

    code = "upstream-refused"
    remedy = "Check the gateway's name, password or certificate, and what the broker allows it to do."
