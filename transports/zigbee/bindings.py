"""A node's binding table: whom it sends its reports to."""

from typing import Any

import zigpy.exceptions
from zigpy.device import ZigbeeDevice

from transports.errors import NodeUnreachable

_TO_ONE = 0x03
"""An entry for one endpoint of one node; 0x01 is for a group (Zigbee specification R22, 2.4.4.2.2.1)."""
_PARTS = 64
"""Answers at most: a table has up to 255 entries, of which several fit into one."""


async def bound(device: ZigbeeDevice) -> tuple[str, ...]:
    """The whole table, as :meth:`transports.zcl.ZigbeeLink.bindings` writes it.

    Raises:
        NodeUnreachable: it does not answer, or keeps no table.
    """
    found: list[str] = []
    for _ in range(_PARTS):
        try:
            status, total, _start, entries = await device.zdo.Mgmt_Bind_req(len(found))
        except (zigpy.exceptions.ZigbeeException, TimeoutError, ValueError) as error:
            raise NodeUnreachable(f"{device.ieee} does not tell its bindings: {error!r}") from error
        if status:
            raise NodeUnreachable(f"{device.ieee} keeps no binding table that it would show")
        found += [_written(entry) for entry in entries]
        if not entries or len(found) >= total:
            break
    return tuple(sorted(found))


def _written(entry: Any) -> str:
    target = entry.DstAddress
    one = target.addrmode == _TO_ONE
    to = f"{target.ieee}/{target.endpoint}" if one else f"0x{target.nwk:04x}"
    return f"{entry.SrcEndpoint}:0x{entry.ClusterId:04x} > {to}"
