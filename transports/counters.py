"""What passed on a link, counted a piece at a time: cheap enough to be always on.

Bytes are not looked at, and no clock is asked that was not asked anyway.  A node that
was asked and says nothing, on a port that opens, is what these counters are for: from
them it is told whether a node, a cable or an adapter is at fault.
"""

from dataclasses import dataclass

from transports.errors import LinkError

_QUIET_S = 10.0
"""Seconds without an answer after which a node that is being asked counts as silent."""
_QUIET_WRITES = 3


@dataclass(slots=True)
class LinkCounters:
    """Of one node on one link, in one life of the service; times are the loop's, in seconds."""

    opens: int = 0
    reopens: int = 0
    """Opens because the link was lost while it was in use."""
    errors: int = 0
    """Opens that failed, and losses."""
    resets: int = 0
    bytes_down: int = 0
    bytes_up: int = 0
    last_up: float | None = None
    last_error: str = ""
    """The code of the newest error; empty once the link was opened again."""
    last_message: str = ""
    changed: bool = False
    """Whether something was counted since this was last set to False."""
    _lost: bool = False
    _asked: int = 0
    _asked_at: float = 0.0
    _answered: bool = False
    _silent: bool | None = None

    def opened(self) -> None:
        """The port, or the connection, is open."""
        self.opens += 1
        self.reopens += self._lost
        self._lost = self._answered = False
        self._asked = 0
        self.last_error = self.last_message = ""
        self.changed = True

    def failed(self, error: LinkError) -> None:
        """It could not be opened."""
        self.errors += 1
        self.last_error, self.last_message = error.code, error.message
        self.changed = True

    def lost(self, error: LinkError) -> None:
        """It went away in use."""
        self._lost = True
        self.failed(error)

    def answered(self) -> None:
        """What could not be reached was, on a link that is not opened anew for that."""
        self.last_error = self.last_message = ""

    def reset(self) -> None:
        """The node was restarted by the port's lines, or by opening the port again."""
        self.resets += 1
        self.changed = True

    def down(self, count: int, now: float) -> None:
        """Bytes to the node."""
        self.bytes_down += count
        if not self._asked:
            self._asked_at = now
        self._asked += 1

    def up(self, count: int, now: float) -> None:
        """Bytes from the node."""
        self.bytes_up += count
        self.last_up = now
        self._asked, self._answered, self._silent = 0, True, False

    def closed(self) -> None:
        """The session has ended: who was asked and never said anything in it is silent."""
        if self._asked and not self._answered:
            self._silent = True
        self._asked = 0
        self.changed = True

    def silent(self, now: float) -> bool | None:
        """Whether the node was asked and does not answer; None if it was not asked."""
        quiet = self._asked >= _QUIET_WRITES and now - self._asked_at >= _QUIET_S
        return True if quiet else self._silent
