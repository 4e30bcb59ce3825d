"""What a node with a legacy loader is on the air: its application, and its loader.

The application has a door to the loader: Nordic's own service with a control point that
only jumps, or the micro:bit's one byte.  The loader has the whole service and calls itself
by a name that every node of its type has.
"""

import struct

from flashers.nordic_dfu.legacy import words
from transports.gatt import Advertisement, Characteristic, Persona, Property, Service, uuid16

INFORMATION = uuid16(0x180A)
"""The Device Information service and its firmware revision (Bluetooth SIG, Assigned Numbers)."""
FIRMWARE_REVISION = uuid16(0x2A26)

LOADER_REVISION = struct.pack("<H", 0x0005)
"""The loader of SDK 7, whose init packet ends in a CRC."""
DOOR_REVISION = struct.pack("<H", words.APPLICATION_REVISION)

_MTU = 23
"""All that SoftDevices of that time agree to."""


def application(
    name: str, address: str, *, microbit: bool, information: bool, revision: bool, secured: bool
) -> Persona:
    """As it is found while its application runs."""
    door = _microbit_door() if microbit else _dfu_service(revision=revision, secured=secured)
    services = [door]
    if information:
        services.append(Service(INFORMATION, (_readable(FIRMWARE_REVISION),)))
    call = Advertisement(name, ())
    return Persona(address, call, tuple(services), att_mtu=_MTU, bondable=secured or microbit)


def loader(name: str, address: str, *, revision: bool) -> Persona:
    """As it is found in its loader."""
    call = Advertisement(name, (words.SERVICE,))
    return Persona(address, call, (_dfu_service(revision=revision, secured=False),), att_mtu=_MTU)


def _dfu_service(*, revision: bool, secured: bool) -> Service:
    control = Characteristic(words.CONTROL, frozenset({Property.WRITE, Property.NOTIFY}), secured)
    packet = Characteristic(words.PACKET, frozenset({Property.WRITE_WITHOUT_RESPONSE}))
    extra = (_readable(words.REVISION),) if revision else ()
    return Service(words.SERVICE, (control, packet, *extra))


def _microbit_door() -> Service:
    # Encrypted on boards that were paired with; the virtual one is open, as the DAL's default build can be.
    control = Characteristic(words.MICROBIT_CONTROL, frozenset({Property.READ, Property.WRITE}))
    return Service(words.MICROBIT_SERVICE, (control,))


def _readable(uuid: str) -> Characteristic:
    return Characteristic(uuid, frozenset({Property.READ}))
