"""From a circuit to what works it."""

from typing import Protocol

from transports.power.circuits import Circuit


class Switch(Protocol):
    """Takes something off and puts it on again.

    Each call raises :class:`~transports.power.errors.PowerError` and nothing else that is
    expected; ``on`` may be called without an ``off`` before it, and more than once.
    """

    async def check(self) -> None:
        """See that it is there, before anything is done."""
        ...

    async def off(self) -> None:
        """Cut the power, or hold the reset."""
        ...

    async def on(self) -> None:
        """Give power, or let the reset go."""
        ...


def open_switch(circuit: Circuit) -> Switch:
    """What works this circuit; nothing is touched yet."""
    if circuit.gpio is not None:
        from transports.power.gpio import GpioSwitch  # only a ladder with such a step needs the binding

        return GpioSwitch(circuit.gpio)
    if circuit.usb is not None:
        from transports.power.usb import UsbSwitch

        return UsbSwitch(circuit.usb)
    if circuit.command is not None:
        from transports.power.command import CommandedSwitch

        return CommandedSwitch(circuit.command)
    raise ValueError("a circuit is one of its kinds")
