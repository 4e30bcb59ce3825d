"""What can go wrong on a line, as data: bytes lost, bent, doubled or late, and cut links.

A fault is written as text, so that a command line, a test's table and a report
all say the same: ``KIND[@AT[:LENGTH]][=AMOUNT]`` and then, each after a
semicolon, ``dir=up``, ``unit=chunk``, ``seed=7``, ``times=3``, ``every=512``.
Several faults are separated by commas or blanks.

===================  ================================================================
``drop@1000:3``      bytes 1000, 1001 and 1002 never arrive
``corrupt@500``      one bit of byte 500 is flipped
``duplicate@20:4``   bytes 20 to 23 arrive twice
``delay@64=0.5``     byte 64, and all that follow, come half a second later
``cut-link@4096``    the link is cut when byte 4096 would pass; reopening heals it
``noise=0.001``      each byte has one chance in a thousand of a flipped bit
``loss=0.05``        each chunk (one write) has five chances in a hundred to be lost
===================  ================================================================

Positions count from 0, from the making of the medium, and do not begin again when
the link is reopened.  ``dir=down`` (the default) is from the host to the node,
``dir=up`` the other way.  With ``unit=chunk`` positions count chunks.  With
``times=3`` a fault happens three times, ``every`` so many (default: its position)
after the one before.  All of it is decided by position and seed alone.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from transports.errors import TenderError


class BadFault(TenderError):
    """This is no fault that a virtual line knows."""

    code = "bad-fault"
    remedy = "Write faults like cut-link@4096, drop@1000:3, corrupt@500;dir=up or noise=0.001;seed=7."


class FaultKind(StrEnum):
    """What happens to the bytes."""

    DROP = "drop"
    CORRUPT = "corrupt"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    CUT_LINK = "cut-link"
    NOISE = "noise"
    LOSS = "loss"


class Direction(StrEnum):
    """Which way the bytes go: down to the node, up to the host."""

    DOWN = "down"
    UP = "up"


class Unit(StrEnum):
    """What positions count."""

    BYTE = "byte"
    CHUNK = "chunk"


_KINDS = frozenset(map(str, FaultKind))
_CHANCE = frozenset({FaultKind.NOISE, FaultKind.LOSS})
_WITH_AMOUNT = _CHANCE | {FaultKind.DELAY}
_FORM = re.compile(
    r"(?P<kind>[a-z-]+)(?:@(?P<at>[0-9]{1,12})(?::(?P<length>[0-9]{1,12}))?)?"
    r"(?:=(?P<amount>[0-9]{1,6}(?:\.[0-9]{1,9})?))?"
)
_EXTRA = re.compile(r"(?P<name>dir|unit|seed|times|every)=(?P<value>[a-z0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; see the module for its text.

    ``amount`` is seconds for a delay and a probability for noise and loss.
    """

    kind: FaultKind
    at: int | None = None
    length: int = 1
    amount: float | None = None
    direction: Direction = Direction.DOWN
    unit: Unit = Unit.BYTE
    seed: int = 0
    times: int = 1
    every: int = 0

    def __post_init__(self) -> None:
        if (self.at is None) != (self.kind in _CHANCE):
            raise BadFault(f"{self.kind} {'takes no' if self.kind in _CHANCE else 'needs a'} position (@N)")
        if (self.amount is None) != (self.kind not in _WITH_AMOUNT):
            raise BadFault(f"{self.kind} {'needs an' if self.amount is None else 'takes no'} amount (=X)")
        if self.kind in _CHANCE and not 0 <= (self.amount or 0) <= 1:
            raise BadFault(f"{self.kind} is a probability from 0 to 1, not {self.amount:g}")
        if self.length < 1 or self.times < 1:
            raise BadFault(f"{self.kind}: length and times are at least 1")
        if self.kind is FaultKind.CUT_LINK and self.unit is Unit.CHUNK:
            raise BadFault("cut-link counts bytes")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read one fault.

        Raises:
            BadFault: it does not have the form that the module tells.
        """
        head, *extras = text.strip().split(";")
        found = _FORM.fullmatch(head)
        if found is None or found["kind"] not in _KINDS:
            raise BadFault(f"{text!r} is no fault; the kinds are {', '.join(FaultKind)}")
        said: dict[str, str] = {}
        for extra in extras:
            pair = _EXTRA.fullmatch(extra.strip())
            if pair is None:
                raise BadFault(f"{extra!r} in {text!r} is none of dir=, unit=, seed=, times=, every=")
            said[pair["name"]] = pair["value"]
        try:
            return cls(
                FaultKind(found["kind"]),
                at=None if found["at"] is None else int(found["at"]),
                length=int(found["length"] or 1),
                amount=None if found["amount"] is None else float(found["amount"]),
                direction=Direction(said.get("dir", Direction.DOWN)),
                unit=Unit(said.get("unit", Unit.BYTE)),
                seed=int(said.get("seed", "0")),
                times=int(said.get("times", "1")),
                every=int(said.get("every", "0")),
            )
        except ValueError as why:
            raise BadFault(f"{text!r}: {why}") from None

    def __str__(self) -> str:
        text = str(self.kind)
        if self.at is not None:
            text += f"@{self.at}" + (f":{self.length}" if self.length != 1 else "")
        if self.amount is not None:
            text += f"={self.amount:.9f}".rstrip("0").rstrip(".")
        defaults = {"dir": "down", "unit": "byte", "seed": "0", "times": "1", "every": "0"}
        values = (self.direction, self.unit, str(self.seed), str(self.times), str(self.every))
        said = dict(zip(defaults, values, strict=True))
        return text + "".join(f";{name}={value}" for name, value in said.items() if value != defaults[name])

    def hits(self, position: int) -> int | None:
        """How far into the fault this position is, or None if it is outside."""
        if self.at is None or position < self.at:
            return None
        beyond = position - self.at
        turn = min(beyond // self.period, self.times - 1)
        into = beyond - turn * self.period
        return into if into < self.length else None

    @property
    def period(self) -> int:
        """How far apart the beginnings of a repeated fault are."""
        return self.every or max(self.at or 0, self.length)

    def next_hit(self, position: int) -> int | None:
        """The first position from here on that this fault hits, or None if it is over."""
        if self.at is None:
            return None
        if self.hits(position) is not None or position < self.at:
            return max(position, self.at)
        turn = (position - self.at) // self.period + 1
        return self.at + turn * self.period if turn < self.times else None


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All that will go wrong on one line."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FaultPlan":
        """Read faults separated by commas or blanks; an empty text is a line without faults.

        Raises:
            BadFault: one of them is none.
        """
        return cls(tuple(Fault.parse(part) for part in re.split(r"[,\s]+", text.strip()) if part))

    def towards(self, direction: Direction) -> tuple[Fault, ...]:
        """The faults of one direction."""
        return tuple(fault for fault in self.faults if fault.direction is direction)

    def __str__(self) -> str:
        return ",".join(map(str, self.faults))
