"""The ladder of a node: what may be done to it from outside when it does not answer, from mild to hard.

Text enters here: ``[[ladder]]`` in a profile, or ``[[nodes.NAME.ladder]]`` in the
configuration, which then holds instead of the profile's.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.model.rescue import Effect

_NAME = r"^[A-Za-z0-9._-]{1,64}$"
_HUB = re.compile(r"usb\d+|\d+-\d+(\.\d+)*")

Argv = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class StepTable(BaseModel):
    """What every step has."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str | None = Field(default=None, pattern=_NAME)
    """What `tender power NODE cycle --step` calls it; its kind if it is left out."""
    wait: float | None = Field(default=None, ge=0)
    """Seconds of silence before it, counted from the last step; 30 before a reset, 120 before power."""
    pause: float = Field(default=60.0, ge=0)
    """Seconds between two times on one node, at least."""
    per_day: int = Field(default=6, ge=1)
    """How often on one node in 24 hours, at most."""
    affects: tuple[Annotated[str, Field(pattern=_NAME)], ...] = ()
    """Other nodes that it hits, too; those on the same switch are known without being named."""
    revives_link: bool | None = None
    """Whether it restarts what the link is made of; without that it is not taken for a link that is dead."""

    @property
    def effect(self) -> Effect:
        """Whether it resets a node or cuts its power."""
        return Effect.RESET


class LineStep(StepTable):
    """A pulse of a modem line of the node's own port."""

    kind: Literal["dtr", "rts"]
    pulse: float = Field(default=0.1, gt=0, le=60)
    """Seconds that the line is dropped."""


class GpioStep(StepTable):
    """A pulse of a GPIO line of this machine."""

    kind: Literal["gpio"]
    line: str | Annotated[int, Field(ge=0)]
    """Its name, or its number on the chip."""
    chip: str = ""
    """Path, name or label of the chip; empty finds the line by its name on any."""
    active: Literal["low", "high"] = "low"
    """The level that holds the reset, or cuts the power."""
    pulse: float = Field(default=0.2, gt=0, le=3600)
    """Seconds at that level."""
    does: Literal["reset", "power"] = "reset"
    """What the line is connected to."""

    @property
    def effect(self) -> Effect:
        """As it is connected."""
        return Effect(self.does)

    @model_validator(mode="after")
    def _found(self) -> "GpioStep":
        if not self.chip and (isinstance(self.line, int) or self.line.isdecimal()):
            raise ValueError("a line that is a number needs its chip")
        return self


class UsbStep(StepTable):
    """The power of a USB hub's port."""

    kind: Literal["usb"]
    hub: str | None = None
    """The hub as the kernel calls it (`1-1`, `usb1`); else the one that the node's port is in."""
    port: int | None = Field(default=None, ge=1, le=255)
    """Its port, from 1; needed with `hub`."""
    off_for: float = Field(default=5.0, gt=0, le=3600)
    """Seconds without power."""

    @property
    def effect(self) -> Effect:
        """Power."""
        return Effect.POWER

    @model_validator(mode="after")
    def _whole(self) -> "UsbStep":
        if (self.hub is None) != (self.port is None):
            raise ValueError("hub and port come together, or both are left out")
        if self.hub is not None and not _HUB.fullmatch(self.hub):
            raise ValueError("a hub is called like 1-1, 1-1.4 or usb1")
        return self


class RelayStep(StepTable):
    """A relay, a PoE port or anything else that a command switches."""

    kind: Literal["relay"]
    off: Argv | None = None
    """The command that cuts the power, as a list of arguments; no shell."""
    on: Argv | None = None
    """The command that gives it again."""
    run: Argv | None = None
    """Instead of the two: one command that does all of it."""
    off_for: float = Field(default=5.0, gt=0, le=3600)
    """Seconds between the two commands."""
    deadline: float = Field(default=20.0, gt=0, le=600)
    """Seconds that one command may take before it is killed."""

    @property
    def effect(self) -> Effect:
        """Power."""
        return Effect.POWER

    @model_validator(mode="after")
    def _whole(self) -> "RelayStep":
        if (self.off is None) != (self.on is None) or (self.run is None) == (self.on is None):
            raise ValueError("give off and on, or run")
        return self


AnyStep = Annotated[LineStep | GpioStep | UsbStep | RelayStep, Field(discriminator="kind")]


def name_of(step: StepTable) -> str:
    """What a step is called."""
    return step.name or str(getattr(step, "kind", "step"))


def distinct(steps: tuple[AnyStep, ...]) -> tuple[AnyStep, ...]:
    """The same steps, if no two are called the same.  Raises ValueError."""
    names = [name_of(step) for step in steps]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two steps of the ladder are called {twice!r}; give them names")
    return steps
