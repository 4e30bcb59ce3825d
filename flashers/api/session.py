"""What the host lends a flasher for the length of a lease.

The host keeps everything else: journal, time-outs of steps, gates, queue, trust,
cache, history and reports.
"""

import re
from typing import Protocol

from flashers.api.calling import Calling
from flashers.api.data import Identity
from flashers.api.words import ResetKind, Role
from transports.gatt import GattLink
from transports.links import ByteLink, Medium
from transports.zcl import ZigbeeLink


class Console(Protocol):
    """The text that the node prints, tapped from before the reset."""

    def mark(self) -> int:
        """A place in the text, to read from later."""
        ...

    def lines_since(self, mark: int) -> list[str]:
        """The complete lines printed since then, as far as they are still kept."""
        ...

    async def wait_for(self, pattern: re.Pattern[str], *, since: int, timeout: float) -> str | None:
        """The first line that matches, or None if the time (seconds) runs out.

        It reads from the link by itself, so nothing else may be reading.

        Raises:
            LinkLost: the link went away.
        """
        ...


class Session(Protocol):
    """A node, reachable, for one lease."""

    @property
    def node(self) -> str:
        """The node's name, for logs."""
        ...

    @property
    def address(self) -> str | None:
        """The node's address on a shared link."""
        ...

    @property
    def medium(self) -> Medium:
        """What kind of link leads to it: bytes (:meth:`open`), GATT (:meth:`connect`), :meth:`zigbee`."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether the verb that is being cancelled now is given up because somebody asked for the end.

        Then a node in mid-image may be told to stop.  False means that the host stops, or that the
        verb is not being cancelled at all: the node is left as it is, and the transfer goes on later.
        In ``cleanup`` it says that the attempt has ended so, and whatever the node still holds of the
        target may be withdrawn.
        """
        ...

    async def connect(self, role: Role = Role.APP) -> GattLink:
        """The same for a node behind a radio: the connection to it in this role.

        ``APP`` is found at the node's own address, ``LOADER`` as :meth:`will_call` said, else at the
        same address, ``UNKNOWN`` is whichever is heard first.  A connection that was lost, or was
        made to the node in another role, is made anew; its table is read each time.

        Raises:
            BadLink: the node is not behind a radio.
            NodeUnreachable: it was not heard, or does not take us.
            LinkError: the adapter is full, or does not work.
        """
        ...

    async def will_call(self, role: Role, calling: Calling) -> None:
        """Say how the node will be found in this role, before it is made to go there.

        It is on the disk when this returns, and is what :meth:`connect` goes by, also in a later
        life of the host.  Where the calling is not unique, this waits until no other node of the
        adapter is called so.

        Raises:
            LinkBusy: another node of this adapter is in its loader, and stays there.
        """
        ...

    async def zigbee(self) -> ZigbeeLink:
        """The same for a node of a Zigbee network, whether it is awake or not; kept until the end.

        Raises:
            BadLink: the node is on no such network.
            NodeUnreachable: the network does not know it.
            LinkError: the coordinator is not there.
        """
        ...

    async def remember(self, name: str, value: str | None) -> None:
        """Keep a word about the node until it is said otherwise; it is on the disk when this returns.

        For what the node will not be able to say later and a flasher has to know, over attempts
        and lives of the host: under which number an older image was given to it.  None forgets.
        """
        ...

    def remembered(self, name: str) -> str | None:
        """What was kept under this name, or None."""
        ...

    def waiting(self, why: str, *, at_most: float) -> None:
        """Say that nothing will pass for up to so many seconds, and that this is as it should be.

        A node that checks its image, or sleeps between two blocks, is not a stalled one.  It counts
        until something passes, or ``progress`` is called.
        """
        ...

    async def open(self, role: Role = Role.APP) -> ByteLink:
        """The link on which the node is found in this role; opened once and kept.

        A link that was lost is opened anew.

        Raises:
            LinkError: it cannot be opened.
        """
        ...

    async def close(self) -> None:
        """Give the link back early, for a node that has to see it closed."""
        ...

    def expect(self, identity: Identity) -> None:
        """Say who answered.

        Raises:
            IdentityChanged: the inventory knows another node here.
        """
        ...

    def lines(self) -> Console:
        """The node's console."""
        ...

    async def reset(self, kind: ResetKind) -> None:
        """Restart the node by the port's modem lines; ``NONE`` reopens the link.

        Raises:
            LinkError: the link has no such line, or was lost.
        """
        ...

    def progress(self, done: int, total: int) -> None:
        """How far the transfer is, in bytes that the node has acknowledged."""
        ...

    def sent(self, count: int) -> None:
        """So many bytes of the image were put on the link, resent ones included."""
        ...

    def note(self, text: str) -> None:
        """A line for the attempt's trace."""
        ...
