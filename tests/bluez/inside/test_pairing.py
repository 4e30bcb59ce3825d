"""Nodes that want an encrypted link, over BlueZ: the keys are BlueZ's, the passkey is the profile's."""

import pytest

from tests.bluez.inside.world import WITHIN_S, World
from tests.transports.air.private import LASTING, Private, heard
from tests.transports.air.rig import VALUE, Counting, persona
from transports.ble.errors import PairingFailed

ADDRESS = persona().address


@pytest.mark.parametrize("passkey", [None, 123456])
async def test_a_node_is_paired_with_as_its_profile_says_and_known_afterwards(
    world: World, passkey: int | None
) -> None:
    node = Counting(persona(secured=True, passkey=passkey))
    world.add(node, "n1")
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S, pair=True, passkey=passkey)
    await link.write(VALUE, b"secret", response=True)
    assert node.got == b"secret"
    await link.aclose()

    link = await world.adapter.connect(ADDRESS, within=WITHIN_S, pair=True, passkey=None)
    await link.write(VALUE, b" again", response=True)
    assert node.got == b"secret again", "the bond serves, nobody is asked for a passkey"


async def test_a_wrong_passkey_is_said_to_be_wrong(world: World) -> None:
    world.add(Counting(persona(secured=True, passkey=123456)), "n1")
    with pytest.raises(PairingFailed):
        await world.adapter.connect(ADDRESS, within=WITHIN_S, pair=True, passkey=654321)


async def test_a_bonded_node_that_changes_its_address_is_the_one_that_bluez_resolves(world: World) -> None:
    node = Private(world.air)
    try:
        await node.appear()
        before = await heard(world.adapter)
        assert before.address == node.address != LASTING

        link = await world.adapter.connect(before.address, within=WITHIN_S, pair=True)
        assert await link.read(VALUE) == b"for friends"
        await link.aclose()

        await node.appear()
        assert node.address != before.address
        link = await world.adapter.connect(LASTING, within=WITHIN_S, pair=True)
        assert await link.read(VALUE) == b"for friends"
        await link.aclose()
        assert await node.bonds() == 1, "it was paired with once"
    finally:
        await node.aclose()
