"""A socket for us and our group, in the place of one that a killed service left behind."""

import errno
import os
import socket
from pathlib import Path

from gateway.api.errors import SocketDenied, SocketInUse
from transports.errors import TenderError

MODE = 0o660
"""Of the socket: its owner, and the group whose members may ask."""


def bound_socket(path: Path) -> socket.socket:
    """A socket that is bound to this path.

    Raises:
        SocketInUse: a service answers there.
        SocketDenied: it cannot be made.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            if _answers(path):
                raise SocketInUse(f"a service answers at {path}")
            path.unlink()  # left behind by one that was killed
        before = os.umask(0o777 & ~MODE)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        listening.close()
        raise SocketDenied(f"{path}: {error.strerror}") from error
    except TenderError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probing:
        probing.settimeout(1.0)
        try:
            probing.connect(str(path))
        except OSError as error:
            return error.errno not in (errno.ECONNREFUSED, errno.ENOENT)
        return True
