"""A reset by a modem line of the node's own port."""

import asyncio
from typing import Literal

from transports.links import ByteLink


async def pulse(link: ByteLink, line: Literal["dtr", "rts"], seconds: float) -> None:
    """Drop a line for some time and raise it again, whatever happens meanwhile.

    Raises:
        LinesUnsupported: the link has no such lines.
        LinkLost: the port went away.
    """
    dtr = line == "dtr"
    try:
        await link.set_lines(dtr=False if dtr else None, rts=None if dtr else False)
        await asyncio.sleep(seconds)
    finally:
        await link.set_lines(dtr=True if dtr else None, rts=None if dtr else True)
