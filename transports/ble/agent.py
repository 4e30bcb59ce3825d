"""Who answers when BlueZ asks for a passkey: an agent on the connection that asks for the pairing.

BlueZ takes the agent of whoever called ``Pair`` before any other, so an agent on bleak's own
connection serves this one node only, and the system's agent is left alone.  The keys stay with
BlueZ.  Interface: BlueZ's ``doc/org.bluez.Agent.rst``.
"""

import logging
from typing import Any

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from transports.ble.system_bus import Refused, ask

log = logging.getLogger(__name__)

PATH = "/tender/agent"
_INTERFACE = "org.bluez.Agent1"
_REJECTED = "org.bluez.Error.Rejected"


class Agent:
    """Types the node's passkey, or pairs with it without one.

    Args:
        device: the object of the node that is paired with; others are turned down.
        passkey: that the node shows or has printed on it; None where it has none.
    """

    def __init__(self, device: str, passkey: int | None) -> None:
        self._device = device
        self._passkey = passkey

    async def register(self, bus: MessageBus) -> None:
        """Serve on this connection, as long as it is open.

        Raises:
            Refused: BlueZ does not want it.
            BluezMissing, AdapterHung: BlueZ does not answer.
        """
        bus.add_message_handler(self.answer)
        # A node that displays is typed for; one that does not, is "just works" on both sides.
        capability = "NoInputNoOutput" if self._passkey is None else "KeyboardOnly"
        try:
            await ask(bus, "/org/bluez", "org.bluez.AgentManager1", "RegisterAgent", "os", [PATH, capability])
        except Refused as error:
            if error.name != "org.bluez.Error.AlreadyExists":
                raise

    def answer(self, message: Message) -> Message | bool | None:
        """What BlueZ asks; messages for others are left to them."""
        if message.message_type is not MessageType.METHOD_CALL or message.interface != _INTERFACE:
            return None
        body: list[Any] = message.body
        match message.member:
            case "Release" | "Cancel":
                return Message.new_method_return(message)
            case _ if not body or body[0] != self._device:
                return Message.new_error(message, _REJECTED, "another node is being paired with")
            case "RequestPasskey" if self._passkey is not None:
                return Message.new_method_return(message, "u", [self._passkey])
            case "RequestPinCode" if self._passkey is not None:
                return Message.new_method_return(message, "s", [f"{self._passkey:06d}"])
            case "RequestConfirmation" if self._passkey is None or body[1] == self._passkey:
                return Message.new_method_return(message)
            case "RequestAuthorization" if self._passkey is None:
                return Message.new_method_return(message)
            case _:
                log.info("%s is turned down for %s", message.member, self._device)
                return Message.new_error(message, _REJECTED, "the profile says otherwise")
