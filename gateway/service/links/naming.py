"""One port has one lease, by whatever names it is configured.

A port's stable name (``/dev/serial/by-path/…``) is a symbolic link, and it leads
somewhere else after the adapter was plugged in again.  So stable names are what is
kept, and they are followed each time.
"""

import os

from transports.links import LinkSpec


def channel_of(spec: LinkSpec) -> str:
    """What a lease of this link is for."""
    return resolved(spec.channel)


def resolved(channel: str) -> str:
    """The same link by the name that the kernel has for its port now."""
    scheme, colon, port = channel.partition(":")
    return f"uart:{os.path.realpath(port)}" if colon and scheme == "uart" else channel
