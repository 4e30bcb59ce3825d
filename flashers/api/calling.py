"""How a node behind a radio is found in one of its roles.

A loader may have another address than the application, another name, other services; it
is one node all the same.  The flasher says how it will be called *before* it sends the
node there, and the host writes that down: who wakes up after a crash has to find it again.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calling:
    """What a node's advertisement has in a role; what is left out does not matter.

    ``address`` is compared without regard to capitals, ``services`` are UUIDs in full of
    which one has to be there.  ``unique`` False says that several nodes may be called so at
    the same time (a loader that every node of the type names ``DfuTarg``, at an address that
    cannot be known): then the host lets one node at a time per adapter go there.
    """

    address: str | None = None
    name: str | None = None
    services: tuple[str, ...] = ()
    unique: bool = True

    def fits(self, address: str, name: str | None, services: "tuple[str, ...] | list[str]") -> bool:
        """Whether this advertisement may be the node's."""
        if self.address is not None and self.address.upper() != address.upper():
            return False
        if self.name is not None and self.name != name:
            return False
        return not self.services or any(uuid in services for uuid in self.services)

    def __str__(self) -> str:
        said = [text for text in (self.address, self.name, *self.services) if text]
        return " ".join(said) or "anything"


def plus_one(address: str) -> str:
    """The address after this one, as many loaders have it: its last byte plus one, without a carry.

    Nordic's loaders count so (nRF5 SDK 17.1.0, ``nrf_dfu_ble.c``: ``addr.addr[0] += 1``).
    """
    head, _, last = address.upper().rpartition(":")
    return f"{head}:{(int(last, 16) + 1) % 256:02X}"
