"""From a link's name to an open link.

Each scheme's module is imported when a link of that scheme is opened first, so
that a site without serial ports needs no pyserial.  A package that brings a
medium of its own registers its scheme here.
"""

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import cast

from transports.errors import BadLink
from transports.links import MEDIUM_OF_SCHEME, ByteLink, LinkSpec, Medium

Opener = Callable[[LinkSpec], Awaitable[ByteLink]]
"""Opens the link that a spec names; its errors are those of :mod:`transports.errors`."""

_BUILT_IN = {
    "uart": ("transports.uart.local", "open_local"),
    "socket": ("transports.uart.sockets", "open_socket"),
    "rfc2217": ("transports.uart.rfc2217", "open_rfc2217"),
}
_registered: dict[str, Opener] = {}


def register(scheme: str, medium: Medium, opener: Opener) -> Callable[[], None]:
    """Add a scheme; returns what takes it away again.

    Raises:
        ValueError: the scheme exists.
    """
    if scheme in MEDIUM_OF_SCHEME:
        raise ValueError(f"the scheme {scheme!r} exists")
    MEDIUM_OF_SCHEME[scheme] = medium
    _registered[scheme] = opener

    def unregister() -> None:
        MEDIUM_OF_SCHEME.pop(scheme, None)
        _registered.pop(scheme, None)

    return unregister


async def open_link(spec: LinkSpec) -> ByteLink:
    """Open a link of bytes.

    With an address in the spec, what comes back is that node's view of a shared
    line (see :mod:`transports.uart.bus`).

    Raises:
        BadLink: the scheme or an option is unknown, or its library is not installed.
        LinkNotFound, LinkBusy, LinkDenied, LinkError: it cannot be opened.
    """
    if spec.medium is Medium.BLE:
        raise BadLink(f"{spec} leads to a radio, and is no link of bytes")
    link = await _opener(spec.scheme)(spec)
    if spec.address is None or spec.medium is not Medium.UART:
        return link
    from transports.uart.bus import on_bus

    return await on_bus(link, spec)


def _opener(scheme: str) -> Opener:
    if scheme in _registered:
        return _registered[scheme]
    if scheme not in _BUILT_IN:
        raise BadLink(f"nothing opens the scheme {scheme!r}")
    module, name = _BUILT_IN[scheme]
    try:
        return cast("Opener", getattr(import_module(module), name))
    except ModuleNotFoundError as missing:
        raise BadLink(
            f"{scheme}: links need the package {missing.name!r}",
            remedy=f"Install Tender with the extra: pip install 'fleet-tender[{MEDIUM_OF_SCHEME[scheme]}]'.",
        ) from missing
