"""What a Zigbee node waits for before it is begun, each with its figure; waiting holds nothing.

A sleepy node is not asked at all before it is heard: its parent keeps a frame for seconds, and it
sleeps for hours.  One that should always be there is asked, and after it was asked in vain waits
for being heard as well, or for the next try.
"""

from flashers.api import Reason
from gateway.attempt.session import HostSession
from gateway.attempt.zigbee import NotHeard, may_wait, started
from gateway.model.records import Record
from gateway.profiles.zigbee import ZigbeeTable
from gateway.service.adapters.errors import BatteryLow, BatteryUnread
from gateway.service.links.words import span
from gateway.service.zigbee.reach import NotJoined, ZigbeeReach, place_of
from transports.errors import NodeUnreachable
from transports.links import LinkSpec
from transports.zcl import AttributeValue, NodeFacts, ZigbeeLink

_ASK_S = 8.0
"""Seconds for one answer of a node that was just heard: longer than a parent keeps a frame for it."""
_POWER, _VOLTAGE, _PERCENT = 0x0001, 0x0020, 0x0021
"""Power Configuration; BatteryVoltage, in 100 mV; BatteryPercentageRemaining, in half percents
(ZCL revision 8, 3.3.2.2.3)."""
_UNKNOWN = 0xFF
"""Of both: the node does not know."""


def gate(reach: ZigbeeReach, spec: LinkSpec, table: ZigbeeTable, record: Record) -> Reason | None:
    """Why it is not begun now; it is waited for from now on if so."""
    place = place_of(spec)
    reason = reach.away(spec.target) or _gate(reach, spec, table, record)
    if reason is None:
        reach.drop(place)
    else:
        reach.want(place)
    return reason


def _gate(reach: ZigbeeReach, spec: LinkSpec, table: ZigbeeTable, record: Record) -> Reason | None:
    place, facts = place_of(spec), reach.facts(spec)
    if facts is None:
        text = f"{record.node} is no node of the network {spec.target}."
        return Reason(NotJoined.code, text, f"Let it join: `tender zigbee permit {spec.target}`.")
    if not facts.sleepy and not may_wait(record):
        return None
    reason = unheard(reach, place, facts, table, record.node)
    if reason is not None and started(record):
        # Where it sleeps it speaks up in time, and where it hangs somebody has to go and see.
        reach.hearing.expect(place)
        return None if reach.hearing.overdue(place, table.missing_after) else reason
    return reason


def unheard(reach: ZigbeeReach, place: str, facts: NodeFacts, table: ZigbeeTable, node: str) -> Reason | None:
    """Why asking a node now would be in vain."""
    hearing = reach.hearing
    if facts.sleepy:
        if hearing.awake(place):
            return None
        text = f"{node} sleeps, and {hearing.words(place)}."
        return Reason(NotHeard.code, text, f"{table.wake}, or wait: it begins by itself when it is heard.")
    again = hearing.again_in(place)
    if not again:
        return None
    text = f"{node} does not answer, and {hearing.words(place)}; asked again in {span(again)}."
    return Reason(NotHeard.code, text, "Give it power; it begins by itself when it is heard.")


async def admit(session: HostSession, table: ZigbeeTable, node: str) -> None:
    """Ask the node for what only it can say, before anything is begun on it.

    Raises:
        BatteryLow, BatteryUnread: it waits.
        NotHeard: it is not there any more.
        LinkError: the coordinator is gone.
    """
    if not table.asks_battery:
        return
    try:
        volts, percent = await _battery(await session.zigbee())
    except NodeUnreachable as error:
        raise NotHeard(f"the battery of {node} was not read: {error.message}") from error
    session.note(f"battery {_shown(volts, percent)}")
    lack = _lack(table, volts, percent)
    if lack:
        raise BatteryLow(f"the battery of {node} has {lack}").after(table.battery_every)
    if volts is None and percent is None:
        text = f"{node} does not say how full its battery is"
        remedy = "Take min_battery_percent and min_battery_volts out of its profile's [zigbee]."
        raise BatteryUnread(text, remedy=remedy).after(table.battery_every)


def _lack(table: ZigbeeTable, volts: float | None, percent: float | None) -> str:
    """What is too little, with both figures; empty if nothing is, or nothing is known."""
    least_volts, least_percent = table.min_battery_volts, table.min_battery_percent
    if least_volts is not None and volts is not None:
        return f"{volts:.1f} V, and its type needs {least_volts:.1f} V" if volts < least_volts else ""
    if least_percent is not None and percent is not None and percent < least_percent:
        return f"{percent:g} %, and its type needs {least_percent} %"
    return ""


async def _battery(link: ZigbeeLink) -> tuple[float | None, float | None]:
    """Volts and percent, as far as the node says them."""
    endpoint = next((number for number, served in sorted(link.facts.servers.items()) if _POWER in served), 1)
    found = await link.read(_POWER, (_VOLTAGE, _PERCENT), endpoint=endpoint, within=_ASK_S)
    volts, halves = _number(found.get(_VOLTAGE)), _number(found.get(_PERCENT))
    return (
        None if volts is None else volts / 10,
        None if halves is None else min(halves, 200) / 2,
    )


def _number(value: AttributeValue | None) -> int | None:
    """A byte that the node knows; 0 volts are said by nodes that do not measure."""
    known = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _UNKNOWN
    return int(value) if known else None  # type: ignore[arg-type] # it is a number if it is known


def _shown(volts: float | None, percent: float | None) -> str:
    known = [f"{volts:.1f} V"] if volts is not None else []
    known += [f"{percent:g} %"] if percent is not None else []
    return ", ".join(known) or "unknown"
