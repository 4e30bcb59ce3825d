"""What Tender asks of BlueZ itself, over D-Bus: where an adapter is, its power, its nodes.

bleak has its own way to everything that concerns a connection.  What is left is asked seldom,
so each question has a connection of its own, and none has to be kept alive or looked after.
Names and errors: BlueZ's ``doc/org.bluez.Adapter.rst`` and ``org.bluez.Device.rst``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError, InvalidAddressError

from transports.ble.errors import AdapterHung, AdapterMissing, BluezMissing

log = logging.getLogger(__name__)

BLUEZ = "org.bluez"
ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_OBJECTS = "org.freedesktop.DBus.ObjectManager"
_NO_DAEMON = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Spawn.ServiceNotFound",
}
_UNKNOWN = {
    "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.bluez.Error.DoesNotExist",
}
_ANSWER_S = 10.0
"""bluetoothd answers in milliseconds, and needs seconds to switch an adapter on."""

_HEARD_S = 8.0
"""How long a node is listened for that was heard a moment ago; most call several times a second."""
_LOOK_S = 0.1


class Refused(Exception):
    """BlueZ answered with an error; ``name`` is D-Bus's name of it."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}" if text else name)
        self.name = name

    @property
    def unknown(self) -> bool:
        """Whether it says that there is no such thing."""
        return self.name in _UNKNOWN


@asynccontextmanager
async def system_bus() -> AsyncIterator[MessageBus]:
    """A connection of one's own.

    Raises:
        BluezMissing: there is no message bus.
    """
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        try:
            await bus.connect()
        except (OSError, AuthError, InvalidAddressError, DBusError) as error:
            raise BluezMissing(f"the system's message bus cannot be reached: {error}") from error
        yield bus
    finally:
        bus.disconnect()


async def ask(
    bus: MessageBus,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    body: list[Any] | None = None,
) -> Any:
    """Call a method of BlueZ's, and return the first value of its answer.

    Raises:
        Refused: it answered with an error.
        BluezMissing: the daemon does not run.
        AdapterHung: it does not answer.
    """
    question = Message(
        destination=BLUEZ, path=path, interface=interface, member=member, signature=signature, body=body or []
    )
    try:
        async with asyncio.timeout(_ANSWER_S):
            answer = await bus.call(question)
    except TimeoutError as error:
        raise AdapterHung(f"bluetoothd did not answer {member} in {_ANSWER_S:g} s") from error
    except (OSError, EOFError) as error:
        raise BluezMissing(f"the system's message bus went away: {error!r}") from error
    if answer.message_type is MessageType.ERROR:
        name = answer.error_name or ""
        if name in _NO_DAEMON:
            raise BluezMissing("bluetoothd does not run")
        raise Refused(name, str(answer.body[0]) if answer.body else "")
    return answer.body[0] if answer.body else None


async def adapter_path(bus: MessageBus, address: str) -> str:
    """The object of the adapter with this address: its hciN is another one after every plugging in.

    Raises:
        AdapterMissing: BlueZ has none.
        BluezMissing, AdapterHung: as for ``ask``.
    """
    try:
        objects = await ask(bus, "/", _OBJECTS, "GetManagedObjects")
    except Refused as error:
        raise BluezMissing(f"bluetoothd is not up yet: {error}") from error
    there = {
        str(interfaces[ADAPTER]["Address"].value).upper(): str(path)
        for path, interfaces in objects.items()
        if ADAPTER in interfaces
    }
    if address.upper() not in there:
        raise AdapterMissing(f"BlueZ has no adapter {address}; it has: {', '.join(sorted(there)) or 'none'}")
    return there[address.upper()]


async def node_path(bus: MessageBus, adapter: str, address: str) -> str | None:
    """The object of the node with this address behind this adapter; None if BlueZ knows no such node.

    An object keeps the name that it began with: a bonded node that calls out from private addresses
    is named by the one that it was paired at, and only its property says who it is.  Raises as ``ask``.
    """
    objects = await ask(bus, "/", _OBJECTS, "GetManagedObjects")
    for path, interfaces in objects.items():
        found = interfaces.get(DEVICE, {}).get("Address")
        if found is None or not str(path).startswith(f"{adapter}/"):
            continue
        if str(found.value).upper() == address.upper():
            return str(path)
    return None


async def set_power(bus: MessageBus, path: str, *, on: bool) -> None:
    """Switch an adapter on or off.

    Raises:
        AdapterHung: it cannot be switched.
        BluezMissing: the daemon does not run.
    """
    body = [ADAPTER, "Powered", Variant("b", on)]
    try:
        await ask(bus, path, _PROPERTIES, "Set", "ssv", body)
    except Refused as error:
        if on or not error.unknown:
            raise AdapterHung(f"BlueZ cannot switch the adapter {'on' if on else 'off'}: {error}") from error


async def device_property(bus: MessageBus, path: str, name: str) -> Any:
    """A property of a node's object; None if BlueZ has no such object, or the property is not set.

    Raises as ``ask``, but never Refused.
    """
    try:
        value = await ask(bus, path, _PROPERTIES, "Get", "ss", [DEVICE, name])
    except Refused as error:
        log.debug("%s of %s: %s", name, path, error)
        return None
    return value.value if isinstance(value, Variant) else value


async def rediscovered(bus: MessageBus, path: str) -> bool:
    """Listen until BlueZ knows a node again that it was made to forget; False if it stays unheard.

    Whoever listens is told apart by his connection, and one connection listens once: bleak's own may be
    listening for others meanwhile.  Raises as ``ask``.
    """
    adapter = path.rpartition("/")[0]
    await ask(bus, adapter, ADAPTER, "SetDiscoveryFilter", "a{sv}", [{"Transport": Variant("s", "le")}])
    await ask(bus, adapter, ADAPTER, "StartDiscovery")
    try:
        async with asyncio.timeout(_HEARD_S):
            while await device_property(bus, path, "Address") is None:  # noqa: ASYNC110 - BlueZ is asked, no event tells
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        return False
    return True


async def remove_device(bus: MessageBus, path: str) -> None:
    """Make BlueZ forget a node, its table and its bond; nothing happens if it knows none.

    Raises as ``ask``.
    """
    try:
        await ask(bus, path.rpartition("/")[0], ADAPTER, "RemoveDevice", "o", [path])
    except Refused as error:
        if not error.unknown:
            raise
