"""What `tender virtual air` and `tender virtual zigbee` have in common: run until Ctrl-C, take orders."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib.util import find_spec
from typing import TypeVar

from gateway.cli.parsing import UsageError
from gateway.cli.tables import print_json
from gateway.orders import Obey, listen, send_order, take_typed
from transports.ble.place import HciPlace

W = TypeVar("W")


def need(packages: tuple[str, ...], what: str, extra: str) -> None:
    """Whether the libraries are installed.

    Raises:
        UsageError: one is not.
    """
    for package in packages:
        if find_spec(package) is None:
            raise UsageError(
                f"the {what} needs the package {package!r}",
                remedy=f"Install Tender with the extra: pip install 'fleet-tender[{extra}]'.",
            )


async def tell(control: str | None, order: str, what: str) -> int:
    """Give an order to one that runs; the exit code.

    Raises:
        UsageError: it takes none, or does not run.
    """
    if control is None:
        raise UsageError(f"this {what} takes no orders", remedy='Add control = "unix:/path" to its file.')
    try:
        answer = await send_order(HciPlace.parse(control), order)
    except OSError as error:
        raise UsageError(f"the {what} does not run: {error}", remedy="Start it without --tell.") from error
    print_json(answer)
    return 1 if "error" in answer else 0


async def run(
    making: AbstractAsyncContextManager[W],
    control: str | None,
    obey: Callable[[W, str], "dict[str, object]"],
    announce: Callable[[W], None],
) -> int:
    """Have a world until Ctrl-C, and take orders at ``control`` and from standard input.

    Raises:
        UsageError: orders cannot be taken there.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with making as world:
        orders: Obey = partial(obey, world)
        server = None
        if control is not None:
            try:
                server = await listen(orders, HciPlace.parse(control))
            except OSError as error:
                raise UsageError(str(error), remedy="Choose another `control`; it may be in use.") from error
        announce(world)
        take_typed(orders, partial(print, flush=True))
        try:
            await stop.wait()
        finally:
            if server is not None:
                server.close()
    return 0
