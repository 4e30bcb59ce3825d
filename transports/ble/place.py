"""Where a controller listens that is no adapter of this machine: a Unix or TCP socket that carries HCI.

Read without any Bluetooth library, since a configuration is checked on machines that have none.
"""

from dataclasses import dataclass
from typing import Self

_PORTS = 1 << 16


@dataclass(frozen=True, slots=True)
class HciPlace:
    """A Unix socket's path, or a TCP socket's host and port."""

    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``unix:/path`` or ``tcp:HOST:PORT``.

        Raises:
            ValueError: it is neither.
        """
        kind, _, rest = text.partition(":")
        if kind == "unix" and rest.startswith("/"):
            return cls(path=rest)
        host, _, port = rest.rpartition(":")
        if kind == "tcp" and host and port.isascii() and port.isdigit() and int(port) < _PORTS:
            return cls(host=host.strip("[]"), port=int(port))
        raise ValueError(f"{text!r} is no place of a controller: write unix:/path or tcp:HOST:PORT")

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp:{host}:{self.port}"
