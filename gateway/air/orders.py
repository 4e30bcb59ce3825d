"""Orders to an air while it runs: a line each, answered by a line of JSON.

For people at a terminal, for scripts, and for tests in any language: power, place, signal,
battery, and the truth about a node, past every protocol.
"""

from collections.abc import Callable
from typing import Any

from gateway.air.world import AirWorld, Placed
from gateway.orders import BadOrder

HELP = (
    "NODE power on|off                  give it power, or take it",
    "NODE cut OPERATION [SECONDS|off]   take its power at a flash operation",
    "NODE range in|out [ADAPTER]        into or out of reach of one adapter, or of all",
    "NODE rssi DBM [ADAPTER]            how strongly it is heard",
    "NODE battery PERCENT               what its Battery Service says",
    "NODE truth                         what it really runs",
    "adapter NAME drop|hang|wake        unplug it for a moment; let it hang, and answer again",
    "nodes                              every node, and the truth about it",
    "help                               this list",
)


def obey(world: AirWorld, line: str) -> dict[str, Any]:
    """Do what a line says; what came of it, or ``{"error": …}``."""
    words = line.split()
    try:
        match words:
            case ["help"]:
                return {"help": list(HELP)}
            case ["nodes"]:
                return {"nodes": {name: _truth(placed) for name, placed in world.nodes.items()}}
            case ["adapter", name, what]:
                return _adapter(world, name, what)
            case [name, verb, *rest] if name in world.nodes and verb in _VERBS:
                return _VERBS[verb](world, world.nodes[name], rest)
            case [name, verb, *_] if name in world.nodes:
                raise BadOrder(f"there is no order {verb!r}; `help` lists them")
            case [name, _, *_]:
                raise BadOrder(f"there is no node {name!r}")
            case _:
                raise BadOrder("`help` lists the orders")
    except (BadOrder, ValueError) as error:
        return {"error": str(error)}


def _power(_: AirWorld, placed: Placed, words: list[str]) -> dict[str, Any]:
    match words:
        case ["on"]:
            placed.node.power_on()
        case ["off"]:
            placed.node.power_off()
        case _:
            raise BadOrder("power is on or off")
    return _truth(placed)


def _cut(_: AirWorld, placed: Placed, words: list[str]) -> dict[str, Any]:
    match words:
        case [operation]:
            placed.node.cut_power_at(int(operation), torn=True)
        case [operation, "off"]:
            placed.node.cut_power_at(int(operation), torn=True, off_for=None)
        case [operation, seconds]:
            placed.node.cut_power_at(int(operation), torn=True, off_for=float(seconds))
        case _:
            raise BadOrder("cut OPERATION [SECONDS|off]")
    return {"cut_at": int(operation), "operations": placed.node.operations}


def _range(world: AirWorld, placed: Placed, words: list[str]) -> dict[str, Any]:
    match words:
        case ["in" | "out" as where, *rest]:
            adapters = _adapters(world, rest)
            world.place(placed.name, adapters, reach=where == "in")
            return {"range": where, "adapters": list(adapters)}
        case _:
            raise BadOrder("range in|out [ADAPTER]")


def _rssi(world: AirWorld, placed: Placed, words: list[str]) -> dict[str, Any]:
    match words:
        case [dbm, *rest]:
            world.set_rssi(placed.name, _adapters(world, rest), int(dbm))
            return {"rssi": int(dbm)}
        case _:
            raise BadOrder("rssi DBM [ADAPTER]")


def _battery(_: AirWorld, placed: Placed, words: list[str]) -> dict[str, Any]:
    if placed.battery is None:
        raise BadOrder(f"{placed.name} has no battery; give it one by `battery = 80` in the file")
    match words:
        case [percent]:
            placed.battery.level = int(percent)
            return {"battery": placed.battery.level}
        case _:
            raise BadOrder("battery PERCENT")


def _told(_: AirWorld, placed: Placed, words: list[str]) -> dict[str, Any]:
    if words:
        raise BadOrder("truth has no argument")
    return _truth(placed)


_VERBS: dict[str, Callable[[AirWorld, Placed, list[str]], dict[str, Any]]] = {
    "power": _power,
    "cut": _cut,
    "range": _range,
    "rssi": _rssi,
    "battery": _battery,
    "truth": _told,
}


def _adapters(world: AirWorld, words: list[str]) -> tuple[str, ...]:
    match words:
        case []:
            return tuple(world.adapters)
        case [name] if name in world.adapters:
            return (name,)
        case _:
            raise BadOrder(f"there is no adapter {' '.join(words)!r}")


def _adapter(world: AirWorld, name: str, what: str) -> dict[str, Any]:
    (found,) = _adapters(world, [name])
    offered = world.adapters[found]
    match what:
        case "drop":
            offered.drop()
        case "hang" | "wake":
            offered.controller.hung = what == "hang"
        case _:
            raise BadOrder("adapter NAME drop|hang|wake")
    return {"adapter": name, "hung": offered.controller.hung}


def _truth(placed: Placed) -> dict[str, Any]:
    truth = placed.node.truth()
    return {
        "profile": placed.profile,
        "address": placed.address,
        "powered": truth.powered,
        "bootable": truth.bootable,
        "confirmed": truth.confirmed,
        "connected": placed.radio.connection is not None,
        "operations": placed.node.operations,
        "running": {
            str(image): f"{digest.algorithm}:{digest.value.hex()}" for image, digest in truth.running.items()
        },
    }
