"""What a node on the air waits for before it is begun, each with its figure; waiting holds nothing.

Only what was not touched yet waits for a stronger signal or a fuller battery: a node that
was begun is brought to its end.  One that is not heard is waited for as long as it has
firmware that runs and nothing was started on it; from then on its silence means something.
"""

import asyncio

from flashers.api import Reason, Role
from gateway.attempt.radio import OutOfReach, may_wait
from gateway.attempt.session import HostSession
from gateway.model.records import Record
from gateway.profiles.radio import RadioTable
from gateway.service.adapters.errors import BatteryLow, BatteryUnread
from gateway.service.adapters.hearing import adapter_of
from gateway.service.adapters.reach import Reach
from transports.ble.errors import GattRefused
from transports.errors import LinkError, NodeUnreachable

_ASK_S = 180.0
"""Seconds for connecting and reading together."""
_NOT_HEARD = "Bring the node closer, wake it, or give it power; it begins by itself when it is heard."


def gate(reach: Reach, place: str, table: RadioTable, record: Record) -> Reason | None:
    """Why it is not begun now, as far as listening tells; it is listened for from now on if so."""
    reason = _gate(reach, place, table, record)
    if reason is None:
        reach.ear.drop(place)
    else:
        reach.ear.want(place, table.min_rssi if not record.touched else None)
    return reason


def _gate(reach: Reach, place: str, table: RadioTable, record: Record) -> Reason | None:
    if not may_wait(record):
        return None
    name, ear = adapter_of(place), reach.ear
    if (trouble := ear.trouble.get(name)) is not None:
        return Reason(trouble.code, f"{trouble.message}.", trouble.what_to_do)
    heard = ear.heard(place)
    if heard is None:
        ago = ear.since(place)
        text = (
            f"{record.node} was heard {ago:.0f} s ago" if ago is not None else f"{record.node} is not heard"
        )
        return Reason(OutOfReach.code, f"{text} by {name}.", _NOT_HEARD)
    if table.min_rssi is not None and not record.touched and heard.rssi < table.min_rssi:
        text = (
            f"{record.node} is heard at {heard.rssi} dBm by {name}, and its type needs {table.min_rssi} dBm."
        )
        return Reason("rssi-low", text, "Bring it closer to the gateway, or an adapter closer to it.")
    return None


async def admit(session: HostSession, table: RadioTable, node: str) -> None:
    """Ask the node for what only it can say, before anything is begun on it; the session keeps its link.

    Raises:
        BatteryLow, BatteryUnread: it waits.
        OutOfReach: it is not there any more.
        LinkError: as for a connection.
    """
    if table.min_battery is None:
        return
    level = await _battery(session, table, node)
    session.note(f"battery {level} %")
    if level < table.min_battery:
        text = f"the battery of {node} has {level} %, and its type needs {table.min_battery} %"
        raise BatteryLow(text).after(table.battery_every)


async def _battery(session: HostSession, table: RadioTable, node: str) -> int:
    characteristic, again_s = table.battery_characteristic, table.battery_every
    try:
        async with asyncio.timeout(_ASK_S):
            link = await session.connect(Role.UNKNOWN)
            if not link.has(characteristic):
                text = f"{node} has no characteristic {characteristic} for its battery"
                raise BatteryUnread(text).after(again_s)
            value = await link.read(characteristic)
    except NodeUnreachable as error:
        raise OutOfReach(error.message) from error
    except GattRefused as error:
        text = f"the battery of {node} cannot be read: {error.message}"
        raise BatteryUnread(text).after(again_s) from error
    except TimeoutError as error:
        raise LinkError(f"the battery of {node} was not read in {_ASK_S:g} s") from error
    if len(value) != 1 or value[0] > 100:
        text = f"{node} says {value.hex() or 'nothing'} of its battery, which is no percentage"
        raise BatteryUnread(text).after(again_s)
    return value[0]
