"""What is made to happen in one run, as a value that can be printed, read and run again.

``kill@5+ cut@7~ ask@3=cancelled line=cut-link@40;dir=up`` kills the gateway after its
fifth journal write, cuts the node's power in the middle of its seventh flash
operation, asks for the end after the third write, and cuts the link at byte 40.
"""

import re
from dataclasses import dataclass

from gateway.model.outcomes import CancelReason

FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class Kill:
    """The gateway's process dies just before (``-``) or just after (``+``) a journal write."""

    write: int
    after: bool

    def __str__(self) -> str:
        return f"kill@{self.write}{'+' if self.after else '-'}"


@dataclass(frozen=True, slots=True)
class KillAtSend:
    """The gateway's process dies in the middle of a step: after its n-th write to the link."""

    chunk: int

    def __str__(self) -> str:
        return f"kill-send@{self.chunk}"


@dataclass(frozen=True, slots=True)
class Cut:
    """The node loses power just before a flash operation, or in its middle (``~``).

    ``stays_off``: it does not come back before somebody looks after the wounded node.
    """

    operation: int
    torn: bool = False
    stays_off: bool = False

    def __str__(self) -> str:
        return f"cut@{self.operation}{'~' if self.torn else ''}{'=' + FOREVER if self.stays_off else ''}"


@dataclass(frozen=True, slots=True)
class Drop:
    """The n-th packet on the air, up or down, does not arrive; a link that there is, is lost with it."""

    packet: int

    def __str__(self) -> str:
        return f"drop@{self.packet}"


@dataclass(frozen=True, slots=True)
class Gone:
    """The coordinator is pulled out at the n-th frame of its network, and put back soon."""

    frame: int

    def __str__(self) -> str:
        return f"gone@{self.frame}"


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody asks for the end of the attempt after a journal write."""

    write: int
    reason: CancelReason = CancelReason.CANCELLED

    def __str__(self) -> str:
        return f"ask@{self.write}={self.reason}"


@dataclass(frozen=True, slots=True)
class Fate:
    """Everything that goes wrong in one run; ``line`` is a plan of link faults."""

    kills: tuple[Kill, ...] = ()
    cuts: tuple[Cut, ...] = ()
    asks: tuple[Ask, ...] = ()
    sends: tuple[KillAtSend, ...] = ()
    line: str = ""
    drops: tuple[Drop, ...] = ()
    gones: tuple[Gone, ...] = ()

    @property
    def faults(self) -> int:
        """How many things go wrong."""
        several = (self.kills, self.cuts, self.sends, self.drops, self.gones)
        return sum(map(len, several)) + (1 if self.line else 0)

    @classmethod
    def of(cls, *events: "Event", line: str = "") -> "Fate":
        """These events in one run."""
        return cls(
            tuple(event for event in events if isinstance(event, Kill)),
            tuple(sorted((event for event in events if isinstance(event, Cut)), key=lambda c: c.operation)),
            tuple(event for event in events if isinstance(event, Ask)),
            tuple(event for event in events if isinstance(event, KillAtSend)),
            line,
            tuple(event for event in events if isinstance(event, Drop)),
            tuple(event for event in events if isinstance(event, Gone)),
        )

    @classmethod
    def parse(cls, text: str) -> "Fate":
        """Read what :meth:`__str__` writes.

        Raises:
            ValueError: this is no fate.
        """
        events: list[Event] = []
        line = ""
        for word in text.split():
            if word.startswith("line="):
                line = word.removeprefix("line=")
            elif word != "nothing":
                events.append(_event(word))
        return cls.of(*events, line=line)

    def __str__(self) -> str:
        events = (*self.kills, *self.sends, *self.cuts, *self.drops, *self.gones, *self.asks)
        words = [str(each) for each in events]
        return " ".join([*words, f"line={self.line}"] if self.line else words) or "nothing"


Event = Kill | KillAtSend | Cut | Drop | Gone | Ask


def _event(word: str) -> Event:
    found = re.fullmatch(r"(kill|kill-send|cut|drop|gone|ask)@(\d+)([-+~]?)(?:=([a-z]+))?", word)
    if found is None:
        raise ValueError(f"{word!r} is no event of a fate")
    kind, number, sign, value = found[1], int(found[2]), found[3], found[4]
    match kind:
        case "kill":
            return Kill(number, after=sign == "+")
        case "kill-send":
            return KillAtSend(number)
        case "drop":
            return Drop(number)
        case "gone":
            return Gone(number)
        case "cut":
            return Cut(number, torn=sign == "~", stays_off=value == FOREVER)
        case _:
            return Ask(number, CancelReason(value))
