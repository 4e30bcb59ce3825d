"""A flash memory that behaves like one: pages, erase rules, and power that fails.

Every erase and every program is one operation, counted from the making of the
flash.  A test may have the power fail just before the n-th operation or in the
middle of it; that is how "whatever dies, and when" becomes a finite list.
"""

from collections.abc import Callable
from dataclasses import dataclass


class PowerCut(Exception):
    """Power failed at a flash operation; the node's code stops here."""


class FlashMisuse(Exception):
    """The virtual node asked for what no flash can do: a bug of the virtual node."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One erase or program as it is about to happen; ``number`` counts from 1, ``size`` is in bytes."""

    number: int
    address: int
    size: int
    erase: bool


@dataclass(slots=True)
class _Cut:
    operation: int
    torn: bool


class SimFlash:
    """``size`` bytes in pages of ``page`` bytes, erased to 0xFF.

    NOR rule: programming only clears bits; what should become 1 again needs an erase.
    ``erase_before_write`` makes :meth:`program` raise where that rule is broken;
    without it the bits are simply and-ed, as in the part.
    """

    def __init__(self, size: int, page: int, *, erase_before_write: bool = True) -> None:
        if size % page:
            raise ValueError(f"{size} bytes are not whole pages of {page}")
        self.page = page
        self.data = bytearray(b"\xff" * size)
        self.operations = 0
        self.erases = 0
        self.watch: Callable[[Operation], None] | None = None
        """Called before every operation, where a test may look at the whole world or cut the power."""
        self._strict = erase_before_write
        self._cut: _Cut | None = None

    def __len__(self) -> int:
        return len(self.data)

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes from ``address``; short at the end of the memory."""
        return bytes(self.data[address : address + size])

    def cut_power_at(self, operation: int, *, torn: bool = False) -> None:
        """Fail just before this operation (counted from 1), or in its middle."""
        self._cut = _Cut(operation, torn)

    def erase(self, address: int) -> None:
        """Erase the page that begins at ``address``."""
        if address % self.page:
            raise FlashMisuse(f"erase at {address:#x} is not at a page of {self.page}")
        blank = b"\xff" * self.page
        # A torn erase leaves the first half erased and the rest as it was.
        self._operate(address, blank, self.page // 2, erase=True)
        self.erases += 1

    def program(self, address: int, data: bytes) -> None:
        """Program ``data``, which may not cross a page."""
        if not data:
            return
        if address // self.page != (address + len(data) - 1) // self.page:
            raise FlashMisuse(f"{len(data)} bytes at {address:#x} cross a page of {self.page}")
        old = self.data[address : address + len(data)]
        result = (int.from_bytes(data) & int.from_bytes(old)).to_bytes(len(data))
        if self._strict and result != data:
            raise FlashMisuse(f"programming {address:#x} without an erase")
        self._operate(address, result, len(data) // 2, erase=False)

    def preload(self, address: int, data: bytes) -> None:
        """Put bytes there as a programmer on the bench would: not counted, never cut."""
        self.data[address : address + len(data)] = data

    def _operate(self, address: int, result: bytes, torn_bytes: int, *, erase: bool) -> None:
        self.operations += 1
        size = len(result)
        if self.watch is not None:
            self.watch(Operation(self.operations, address, size, erase))
        cut = self._cut
        if cut is not None and self.operations >= cut.operation:
            self._cut = None
            if cut.torn:
                self.data[address : address + torn_bytes] = result[:torn_bytes]
            raise PowerCut(f"at operation {self.operations}")
        self.data[address : address + size] = result
