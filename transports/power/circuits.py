"""What a step takes off and puts on again, as values that a journal can keep.

They hold all that is needed to give power back by a process that knows nothing else,
because the one that took it may be gone.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpioLine:
    """A line of a GPIO chip.

    ``chip`` is a path, a name (``gpiochip0``) or a label, or empty: then the line is found
    by its name on any chip.  ``line`` is a name, or a number on that chip.  The line is
    *off* while it is driven to ``active_low``'s active level, and is let go afterwards.
    """

    line: str
    chip: str = ""
    active_low: bool = True
    devices: str = "/dev"
    """Where the kernel's ``gpiochip*`` are."""


@dataclass(frozen=True, slots=True)
class UsbPort:
    """A port of a USB hub: ``hub`` as the kernel calls it (``1-1.4``, ``usb1``), ports from 1."""

    hub: str
    port: int
    sysfs: str = "/sys"

    @property
    def device(self) -> str:
        """What the kernel calls the device in this port: ``1-1.4.2``, and ``1-2`` on a root hub."""
        bus = self.hub.removeprefix("usb")
        return f"{bus}-{self.port}" if self.hub.startswith("usb") else f"{self.hub}.{self.port}"


@dataclass(frozen=True, slots=True)
class CommandSwitch:
    """Two commands, or one that does all of it (then ``off`` is empty).

    ``deadline`` is how long one may take, in seconds; each finds the node's name in
    ``TENDER_NODE``.
    """

    on: tuple[str, ...]
    off: tuple[str, ...] = ()
    deadline: float = 20.0
    node: str = ""


@dataclass(frozen=True, slots=True)
class Circuit:
    """One of these; the others are None."""

    gpio: GpioLine | None = None
    usb: UsbPort | None = None
    command: CommandSwitch | None = None

    @property
    def key(self) -> str:
        """The same text for everything that hangs on the same switch."""
        if self.gpio is not None:
            return f"gpio:{self.gpio.chip}:{self.gpio.line}"
        if self.usb is not None:
            return f"usb:{self.usb.device}"
        if self.command is not None:
            return f"command:{' '.join(self.command.off or self.command.on)}"
        return ""
