"""The first file system of the small machine: a shell, some modules, and a script.

Written as a cpio archive of the "newc" kind, as the kernel's own document
``Documentation/driver-api/early-userspace/buffer-format.rst`` describes it.
"""

import stat
from dataclasses import dataclass, field


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


@dataclass(slots=True)
class Archive:
    """An archive in the making."""

    _parts: list[bytes] = field(default_factory=list)
    _number: int = 0

    def folder(self, name: str) -> None:
        """Add an empty folder."""
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, *, mode: int = 0o644) -> None:
        """Add a file."""
        self._add(name, stat.S_IFREG | mode, data)

    def console(self) -> None:
        """Add ``/dev/console``, on which the first program is heard."""
        self._add("dev/console", stat.S_IFCHR | 0o600, b"", major=5, minor=1)

    def packed(self) -> bytes:
        """The whole archive."""
        end = Archive()
        end._add("TRAILER!!!", 0, b"")
        return b"".join(self._parts + end._parts)

    def _add(self, name: str, mode: int, data: bytes, *, major: int = 0, minor: int = 0) -> None:
        self._number += 1
        path = name.encode() + b"\0"
        # Inode, mode, owner, group, links, time, size, device (2), special device (2), name's size, sum.
        fields = (self._number, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % each for each in fields)
        self._parts += [_padded(header + path), _padded(data)]
