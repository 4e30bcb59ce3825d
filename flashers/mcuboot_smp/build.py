"""Firmware files for virtual nodes with MCUboot, signed by keys that protect nothing.

What ``build`` of this plugin understands beside application and size:

==================  ==============================================================
``key``             ``one``, ``two`` or ``three``: the test key that signs it; none, if left out
``version``         the image's version, if it is to differ from the application's
``seed``            a number; another one gives other bytes of the same version
``security-counter`` a number; adds the record that forbids going back
==================  ==============================================================
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flashers.mcuboot_smp.make import make_image
from flashers.sim import SimApp
from flashers.sim.options import checked, number

TEST_KEYS: Mapping[str, Ed25519PrivateKey] = {
    name: Ed25519PrivateKey.from_private_bytes(bytes((place,)) * 32)
    for place, name in enumerate(("one", "two", "three"), 1)
}
"""Fixed, so that every run makes the same files; whoever reads this can sign with them."""


def build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    """A MCUboot image of ``size`` bytes of application.

    Raises:
        ValueError: an option is unknown or makes no sense, or the size is too small.
    """
    said = checked(options, key=tuple(TEST_KEYS), version=None, seed=None, security_counter=None)
    return make_image(
        app,
        said.get("version"),
        size=size,
        seed=number(said, "seed") or 0,
        key=TEST_KEYS[said["key"]] if "key" in said else None,
        security_counter=number(said, "security-counter"),
    )
