"""What a node with the secure loader is on the air: its application, and its loader.

The same service holds other characteristics in each, and the loader has the next address,
unless it shares the application's bonds.
"""

from flashers.nordic_dfu.secure.words import BUTTONLESS, BUTTONLESS_BONDED, CONTROL, PACKET, SERVICE
from transports.gatt import Advertisement, Characteristic, Persona, Property, Service, uuid16

INFORMATION = uuid16(0x180A)
"""The Device Information service (Bluetooth SIG, Assigned Numbers)."""
_ASKED = frozenset({Property.WRITE, Property.INDICATE})


def application(
    name: str, address: str, att_mtu: int, *, bonded: bool | None, version: str | None
) -> Persona:
    """As it is found while its application runs; ``bonded`` None has no door, ``version`` is a UUID."""
    services = []
    if bonded is not None:
        door = Characteristic(BUTTONLESS_BONDED if bonded else BUTTONLESS, _ASKED, secured=bonded)
        services.append(Service(SERVICE, (door,)))
    if version is not None:
        told = Characteristic(version, frozenset({Property.READ}))
        services.append(Service(INFORMATION, (told,)))
    return Persona(address, Advertisement(name), tuple(services), att_mtu, bondable=bool(bonded))


def loader(name: str, address: str, att_mtu: int, *, bonded: bool) -> Persona:
    """As it is found in its loader, which pairs with nobody.

    One that was built for bonds knows the key of the application's, and wants a link encrypted with it.
    """
    control = Characteristic(CONTROL, frozenset({Property.WRITE, Property.NOTIFY}), secured=bonded)
    packet = Characteristic(PACKET, frozenset({Property.WRITE_WITHOUT_RESPONSE}), secured=bonded)
    return Persona(
        address,
        Advertisement(name, (SERVICE,)),
        (Service(SERVICE, (control, packet)),),
        att_mtu,
    )
