"""What is done with a network and its nodes as a whole: joining, asking who they are, leaving."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import zigpy.exceptions
import zigpy.types as t
from zigpy.device import ZigbeeDevice
from zigpy.util import convert_install_code

from transports.errors import NodeUnreachable, TenderError
from transports.zigbee.application import Application
from transports.zigbee.errors import CoordinatorLost, NetworkTrouble

T = TypeVar("T")

LONGEST = 254
"""Seconds for which joining can be permitted; 255 would be forever (Zigbee specification, 2.4.3.3.7)."""
ASKED = 120.0
"""Seconds for which an interview that is under way is waited for; one of a sleepy node takes the longest."""
LEAVING = 35.0
"""Seconds until a node that was told to leave is forgotten; zigpy waits 7 for it, or 30 if it sleeps."""
_BEGUN = 2.0
"""Seconds after which a permit that the radio library holds open counts as given."""


class Joining:
    """Until when nodes may join, in the loop's time."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def left(self) -> float:
        """Seconds for which they still may."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    def begin(self, seconds: float) -> None:
        """From now on for so long; 0 ends it."""
        self._until = asyncio.get_running_loop().time() + seconds

    def end(self) -> None:
        """They may not."""
        self._until = 0.0


async def while_up(app: Application, job: Coroutine[Any, Any, T]) -> T:
    """Do something with a coordinator that may go away meanwhile.

    A library that is closed cancels what waits inside of it, or lets it wait for its time-out.

    Raises:
        CoordinatorLost: it went away.
    """
    doing = asyncio.ensure_future(job)
    lost = asyncio.ensure_future(app.lost.wait())
    both: set[asyncio.Future[Any]] = {doing, lost}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if app.lost.is_set() or doing.cancelled():
            raise CoordinatorLost("the coordinator went away meanwhile")
        return doing.result()
    finally:
        lost.cancel()
        doing.cancel()
        doing.add_done_callback(lambda done: done.cancelled() or done.exception())


async def permit(app: Application, seconds: float, through: ZigbeeDevice | None) -> None:
    """Let nodes join, through one router or all.

    Raises:
        NetworkTrouble: the time is out of range, or it was refused.
        NodeUnreachable: the router did not answer.
        CoordinatorLost: the coordinator did not.
    """
    duration = math.ceil(seconds)
    if not 0 <= duration <= LONGEST:
        raise NetworkTrouble(f"nodes may be let in for 0 to {LONGEST} s, not for {seconds:g} s")
    if through is None:
        with_coordinator = _translated("joining was not permitted")
        await with_coordinator(app.permit(duration))
        return
    try:
        status, *_ = await through.zdo.permit(duration)  # type: ignore[no-untyped-call]
    except (TimeoutError, zigpy.exceptions.DeliveryError) as error:
        raise NodeUnreachable(f"the router {through.ieee} did not take the permit: {error}") from error
    if status:
        raise NetworkTrouble(f"the router {through.ieee} refused the permit: {status!r}")


async def admit(
    app: Application,
    ieee: str,
    install_code: bytes,
    seconds: float,
    run: Callable[[Coroutine[Any, Any, None]], "asyncio.Future[None]"],
) -> None:
    """Let one node join by the code that is printed on it.

    Some libraries hold the permit open for its whole time; it goes on in the background then.

    Raises:
        NetworkTrouble: the code is none, or it was refused.
        CoordinatorLost: the coordinator did not answer.
    """
    try:
        key = convert_install_code(install_code)
    except ValueError as error:
        raise NetworkTrouble(
            f"this is no install code: {error}", remedy="Copy it anew from the node."
        ) from error
    duration = min(LONGEST, math.ceil(seconds))
    opening = _translated("the install code was not taken")(
        app.permit_with_link_key(t.EUI64.convert(ieee), key, duration)
    )
    task = run(opening)
    await asyncio.wait({task}, timeout=_BEGUN)
    if task.done():
        await task
    else:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def interview(app: Application, device: ZigbeeDevice) -> None:
    """Ask a node what it is; what was known of it stays if it does not answer.

    One that has just joined is being asked already, and is waited for.

    Raises:
        NodeUnreachable: it did not answer.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + ASKED
    has_just_joined = False
    while (device.initializing or device.reinterviewing) and loop.time() < until:
        has_just_joined = has_just_joined or device.initializing
        await asyncio.sleep(0.1)
        current = app.devices.get(device.ieee)
        device = current if isinstance(current, ZigbeeDevice) else device
    if has_just_joined and device.original_signature is not None:
        done = True
    elif device.is_initialized:
        await device.reinterview()
        done = app.devices.get(device.ieee) is not device
        app.forget_senders()
    else:
        task = device.schedule_initialize()
        if task is not None:
            await asyncio.wait({task})
        done = device.is_initialized
    if not done:
        raise NodeUnreachable(
            f"{device.ieee} did not answer the interview",
            remedy="Give it power, or wake it (press its button), and ask again.",
        )


async def forget(app: Application, device: ZigbeeDevice) -> None:
    """Have a node leave, and strike it from the database, also where it does not answer."""
    await app.remove(device.ieee)
    loop = asyncio.get_running_loop()
    until = loop.time() + LEAVING
    while device.ieee in app.devices and loop.time() < until:  # noqa: ASYNC110 - zigpy tells nobody
        await asyncio.sleep(0.1)
    app.devices.pop(device.ieee, None)
    app.forget_senders()


def _translated(what: str) -> Callable[[Coroutine[Any, Any, None]], Coroutine[Any, Any, None]]:
    """Await something of the radio library's, and name what it raises."""

    async def awaited(job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        except TenderError:
            raise
        except (TimeoutError, ConnectionError) as error:
            raise CoordinatorLost(f"{what}: the coordinator did not answer") from error
        except Exception as error:  # radio libraries raise RuntimeError, and worse
            raise NetworkTrouble(f"{what}: {error}") from error

    return awaited
