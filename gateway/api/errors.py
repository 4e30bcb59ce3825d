"""What the local API answers instead of what was asked, and with which status."""

from gateway.artifacts.errors import DiskFull, DiskTrouble
from gateway.errors import AttemptUnknown, NodeBusy, NodeUnknown, ReleaseUnknown, RequestError
from gateway.service.links.errors import LeaseUnknown, LinkUnknown
from gateway.trust.errors import TrustError
from transports.errors import LinkBusy, LinkError, TenderError


class BodyTooLarge(RequestError):
    """More bytes were sent than this request may have."""

    code = "body-too-large"
    remedy = "Send less; a release this large can be fetched from a URL instead."


class NoSuchPath(RequestError):
    """The local API has nothing at this path."""

    code = "path-unknown"
    remedy = "Use the `tender` command of the same version as the service."


class SocketInUse(TenderError):
    """Another service answers at this socket."""

    code = "service-running"
    remedy = "Stop it (`systemctl stop tender`), or give this one another `socket` and `state`."


class SocketDenied(TenderError):
    """The socket cannot be made."""

    code = "socket-denied"
    remedy = "Give the service a folder it may write for `socket`, as RuntimeDirectory= does."


STATUS: tuple[tuple[type[TenderError], int], ...] = (
    (BodyTooLarge, 413),
    (NodeUnknown, 404),
    (AttemptUnknown, 404),
    (ReleaseUnknown, 404),
    (NoSuchPath, 404),
    (LinkUnknown, 404),
    (LeaseUnknown, 404),
    (NodeBusy, 409),
    (LinkBusy, 409),
    (TrustError, 403),
    (LinkError, 503),
    (DiskFull, 507),
    (DiskTrouble, 507),
    (RequestError, 422),
)
"""HTTP's word for each kind of error, the first that fits; 422 for every other expected one."""


def status_of(error: TenderError) -> int:
    """The HTTP status of an answer that is this error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 422)


def as_json(error: TenderError) -> dict[str, dict[str, str]]:
    """The error as the local API and every ``--json`` show it."""
    return {"error": {"code": error.code, "message": error.message, "remedy": error.what_to_do}}
