"""What zigbee2mqtt lists of its nodes (``bridge/devices``), in our words.

It names clusters; their numbers are the ZCL's (revision 8, 2.6 and the library's table of contents),
of those that anything here asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from transports.errors import BadLink
from transports.zcl import NodeFacts
from transports.zigbee.address import ieee_address

_CLUSTERS = {
    "genBasic": 0x0000,
    "genPowerCfg": 0x0001,
    "genIdentify": 0x0003,
    "genOnOff": 0x0006,
    "genOta": 0x0019,
    "genPollCtrl": 0x0020,
    "msTemperatureMeasurement": 0x0402,
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One node: what is known of it, and what zigbee2mqtt calls it."""

    facts: NodeFacts
    friendly: str


def read(listed: Any) -> dict[str, Listed]:
    """The nodes of a list, by address; the coordinator and what cannot be understood are left out."""
    found: dict[str, Listed] = {}
    for entry in listed if isinstance(listed, list) else ():
        try:
            node = _entry(entry)
        except (KeyError, TypeError, ValueError, AttributeError, BadLink):
            continue
        if node is not None:
            found[node.facts.ieee] = node
    return found


def _entry(entry: Any) -> Listed | None:
    if entry["type"] == "Coordinator":
        return None
    mains = not str(entry.get("power_source") or "").startswith("Battery")
    endpoints = entry.get("endpoints") or {}
    facts = NodeFacts(
        ieee=ieee_address(str(entry["ieee_address"])),
        nwk=int(entry.get("network_address") or 0),
        sleepy=entry["type"] == "EndDevice" and not mains,
        mains=mains,
        manufacturer=entry.get("manufacturer"),
        model=entry.get("model_id"),
        interviewed=entry.get("interview_state", "SUCCESSFUL") == "SUCCESSFUL",
        servers={int(number): _numbers(each, "input") for number, each in endpoints.items()},
        clients={int(number): _numbers(each, "output") for number, each in endpoints.items()},
    )
    return Listed(facts, str(entry["friendly_name"]))


def _numbers(endpoint: Mapping[str, Any], side: str) -> tuple[int, ...]:
    names = endpoint.get("clusters", {}).get(side, ())
    return tuple(_CLUSTERS[name] for name in names if name in _CLUSTERS)


def heard_at(node: Listed, now: float) -> Listed:
    """The same, heard now; in the loop's time."""
    return replace(node, facts=replace(node.facts, last_heard=now))
