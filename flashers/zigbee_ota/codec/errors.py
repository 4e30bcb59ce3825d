"""The one thing that can be wrong with what came: it is no such command."""

from flashers.api import ProtocolError


class BadCommand(ProtocolError):
    """These bytes are no command of this cluster."""

    code = "zigbee-bad-command"
    remedy = "Nothing needs to be done: it was not answered, and the node is named in the log."
