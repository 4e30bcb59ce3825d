"""The named errors of the verbs about nodes on the air."""

from gateway.errors import RequestError


class NotOwner(RequestError):
    """Another gateway has this node, or none has; it is only seen here."""

    code = "not-owner"
    remedy = "`tender node owner NODE` says whose it is."


class NotOnTheAir(RequestError):
    """The node is on a wire, where there is one gateway."""

    code = "not-on-the-air"
    remedy = "Only nodes with a link `ble:ADAPTER#ADDRESS` have an owner."


class BadGateway(RequestError):
    """A node cannot be handed to this gateway."""

    code = "bad-gateway"
    remedy = "Name another gateway, as it calls itself in `[gateway] name`."
