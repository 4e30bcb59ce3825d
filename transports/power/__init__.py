"""What restarts a node from outside: a modem line, a GPIO line, a hub's port, a relay behind a command.

Each is *taken off* and *put on* again; whoever takes something off owes it the other
half, so what is needed for that is a plain value (:class:`Circuit`) that can be written
down before anything is done.
"""

from transports.power.circuits import Circuit, CommandSwitch, GpioLine, UsbPort
from transports.power.errors import PowerError
from transports.power.switch import Switch, open_switch

__all__ = ["Circuit", "CommandSwitch", "GpioLine", "PowerError", "Switch", "UsbPort", "open_switch"]
