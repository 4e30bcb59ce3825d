"""The root of every error that Tender expects.

An error that a person or an upstream will read says three things: a stable code
to search for, what is true now, and what may be done next.  Whatever is raised
outside this tree is a bug, and is treated as one.
"""

from typing import ClassVar


class TenderError(Exception):
    """Expected trouble: it has a code and a remedy.

    ``retryable`` says that the same step may simply be tried again, because the
    trouble can pass by itself (a lost link, a busy port).
    """

    code: ClassVar[str] = "internal"
    remedy: ClassVar[str] = "Report this with the output of `tender attempt show --json`."
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.own_remedy = remedy

    @property
    def message(self) -> str:
        """What happened, in one sentence."""
        return str(self)

    @property
    def what_to_do(self) -> str:
        """The remedy of this very case, else of its kind."""
        return self.own_remedy or self.remedy


class LinkError(TenderError):
    """The link does not carry bytes."""

    code = "link-error"
    remedy = "Check the cable, the adapter and the link's name."
    retryable = True


class LinkNotFound(LinkError):
    """There is no such port or host."""

    code = "link-not-found"
    remedy = "Plug the adapter in, or correct the link; `ls /dev/serial/by-path` lists the ports."


class LinkBusy(LinkError):
    """Somebody else holds the port."""

    code = "link-busy"
    remedy = "Stop the program that holds the port, or lend it to Tender with a lease."


class LinkDenied(LinkError):
    """We may not open the port."""

    code = "link-denied"
    remedy = "Add the service's user to the port's group (commonly `dialout`)."
    retryable = False


class LinkLost(LinkError):
    """The link went away while it was in use: unplugged, closed by its peer, or reset."""

    code = "link-lost"


class NodeUnreachable(LinkNotFound):
    """The adapter works, and the node is not there: asleep, without power, or out of reach."""

    code = "node-unreachable"
    remedy = "Bring it closer, wake it, or give it power."


class LinesUnsupported(LinkError):
    """This link has no modem lines (DTR, RTS)."""

    code = "lines-unsupported"
    remedy = "Use a port with modem lines, or rfc2217://, or set another reset in the profile."
    retryable = False


class BadLink(TenderError):
    """This is no link that Tender understands."""

    code = "bad-link"
    remedy = (
        "Write uart:/dev/ttyUSB0?baud=115200, socket://HOST:PORT, rfc2217://HOST:PORT, ble:ADAPTER#ADDRESS "
        "or zigbee:NETWORK#ADDRESS."
    )
