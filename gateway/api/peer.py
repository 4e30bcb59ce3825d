"""Who is at the other end of the socket, as the kernel knows it."""

import pwd
import socket
import struct

_UCRED = struct.Struct("=iII")
"""struct ucred of unix(7): pid, uid, gid."""


def asked_by(connection: socket.socket) -> str:
    """The user and the process that asks, for logs and records: ``alice (pid 123)``."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    return f"{user} (pid {pid})"
