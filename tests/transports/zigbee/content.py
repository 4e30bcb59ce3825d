"""A backup as zigpy writes one."""

from typing import Any

import zigpy.state
import zigpy.types
from zigpy.backups import NetworkBackup
from zigpy.zdo.types import LogicalType

t: Any = zigpy.types
state: Any = zigpy.state


def backup_content(
    channel: int = 15, counter: int = 1000, extended: str = "aa:" * 7 + "aa"
) -> dict[str, Any]:
    """An open coordinator backup of a network without nodes."""
    key = state.Key(key=t.KeyData(bytes(range(16))), tx_counter=counter, seq=0)
    network = state.NetworkInfo(
        extended_pan_id=t.ExtendedPanId.convert(extended),
        pan_id=t.PanId(0x1A62),
        channel=channel,
        channel_mask=t.Channels.from_channel_list([channel]),
        security_level=5,
        network_key=key,
        tc_link_key=state.Key(key=t.KeyData(b"ZigBeeAlliance09")),
        source="here",
    )
    node = state.NodeInfo(
        nwk=t.NWK(0), ieee=t.EUI64.convert("00:12:4b:00:00:00:00:01"), logical_type=LogicalType.Coordinator
    )
    return NetworkBackup(network_info=network, node_info=node).as_open_coordinator_json()
