"""The application's door to its loader: the buttonless service.

How the loader will be found is said, and written down by the host, before the application
is asked to go: whoever wakes up after a crash has to find the node there.

Source: nRF5 SDK 17.1.0, ``ble_dfu.c``, ``ble_dfu_unbonded.c``, ``ble_dfu_bonded.c``: the
answer is indicated, and the restart follows its confirmation; ``nrf_dfu_ble.c``: every loader
that was not built for bonds counts its address on, however it was entered;
``nrf_dfu_svci_handler.c``: a name is taken once until the next restart.
"""

import asyncio
import zlib
from collections.abc import Awaitable
from typing import TypeVar

from flashers.api import Calling, NodeRefused, NodeSilent, NotSupported, Role, Session, plus_one
from flashers.nordic_dfu.params import Entry, NordicParams
from flashers.nordic_dfu.secure import codec
from flashers.nordic_dfu.secure.words import BUTTONLESS, BUTTONLESS_BONDED, Door, DoorResult
from transports.errors import LinkLost
from transports.gatt import GattLink

T = TypeVar("T")

_LEAVES = 5.0
"""Seconds in which an application that said yes has to be gone."""


def door_of(params: NordicParams) -> str | None:
    """The characteristic that leads into the loader."""
    match params.entry:
        case Entry.BONDED:
            return BUTTONLESS_BONDED
        case Entry.UNBONDED | Entry.NAMED:
            return BUTTONLESS
        case _:
            return None


def loader_name(session: Session) -> str:
    """A name for this node's loader that no other's has."""
    return f"Dfu{zlib.crc32(session.node.encode()) % 100000:05}"


def calling(session: Session, params: NordicParams, address: str) -> Calling:
    """How the loader of the application at this address will be found."""
    match params.entry:
        case Entry.NAMED:
            return Calling(name=loader_name(session))
        case Entry.BONDED:
            return Calling(address=address)
        case _:
            return Calling(address=plus_one(address))


async def go_in(session: Session, link: GattLink, params: NordicParams) -> None:
    """Ask the application to restart in its loader, and see it go.

    Raises:
        NotSupported: the profile or the application has no such door.
        NodeRefused: the application said no.
        NodeSilent: it does not answer, or does not go.
        LinkError: the link was lost before it was asked.
    """
    door = door_of(params)
    if door is None:
        raise NotSupported("this node goes into its loader by a button only", remedy="Press it, then deploy.")
    if not link.has(door):
        raise NotSupported(
            "the application has no buttonless service of the profile's kind",
            remedy="Set `entry` in the profile's params to what the application was built with.",
        )
    await session.will_call(Role.LOADER, calling(session, params, link.address))
    await _patiently(params.reply_timeout, link.subscribe(door))
    if params.entry is Entry.NAMED:
        answer = await _patiently(
            params.reply_timeout, _ask(link, door, codec.set_name(loader_name(session)))
        )
        if answer.result == DoorResult.FAILED:
            # It can be done once in an application's life, and the name is the same each time.
            session.note("the application has given its loader a name before, and gives it no other")
        elif answer.result != DoorResult.SUCCESS:
            raise NodeRefused(f"the application gives its loader no name: {answer.said}")
    try:
        answer = await _patiently(params.reply_timeout, _ask(link, door, codec.enter()))
    except LinkLost:
        pass  # it went so quickly that its answer was lost, or it did not; the loader will tell
    else:
        if answer.result != DoorResult.SUCCESS:
            raise NodeRefused(f"the application does not go into its loader: {answer.said}")
        try:
            await _patiently(_LEAVES, _until_gone(link))
        except NodeSilent:
            session.note("the application said yes and is still there")
    await session.close()


async def _ask(link: GattLink, door: str, request: bytes) -> codec.DoorAnswer:
    await link.write(door, request, response=True)
    while True:
        source, value = await link.heard()
        answer = codec.read_door(value) if source == door else None
        if answer is not None and answer.op == Door(request[0]):
            return answer


async def _until_gone(link: GattLink) -> None:
    try:
        while True:
            await link.heard()
    except LinkLost:
        return


async def _patiently(seconds: float, asked: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError:
        raise NodeSilent(f"the application does not answer in {seconds:g} s") from None
