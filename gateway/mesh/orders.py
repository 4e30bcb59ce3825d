"""Orders to a simulated Zigbee network while it runs: power, place, the coordinator, and the truth."""

from typing import Any

from gateway.mesh.world import MeshWorld, Placed
from gateway.orders import BadOrder

HELP = (
    "NODE power on|off                  give it power, or take it",
    "NODE cut OPERATION [SECONDS|off]   take its power at a flash operation",
    "NODE range in|out                  into or out of everybody's reach",
    "NODE truth                         what it really runs",
    "coordinator unplug|replug|reset    pull it out, put it back, let its watchdog bite",
    "nodes                              every node, and the truth about it",
    "air                                what was on the channel",
    "help                               this list",
)


def obey(world: MeshWorld, line: str) -> dict[str, Any]:
    """Do what a line says; what came of it, or ``{"error": …}``."""
    try:
        match line.split():
            case ["help"]:
                return {"help": list(HELP)}
            case ["nodes"]:
                return {"nodes": {name: _truth(world, placed) for name, placed in world.nodes.items()}}
            case ["air"]:
                return _air(world)
            case ["coordinator", what]:
                return _coordinator(world, what)
            case [name, verb, *rest] if name in world.nodes:
                return _node(world, world.nodes[name], verb, rest)
            case [name, _, *_]:
                raise BadOrder(f"there is no node {name!r}")
            case _:
                raise BadOrder("`help` lists the orders")
    except (BadOrder, ValueError) as error:
        return {"error": str(error)}


def _node(world: MeshWorld, placed: Placed, verb: str, words: list[str]) -> dict[str, Any]:
    match [verb, *words]:
        case ["power", "on"]:
            placed.node.power_on()
        case ["power", "off"]:
            placed.node.power_off()
        case ["range", "in" | "out" as where]:
            world.reach(placed.name, reach=where == "in")
            return {"range": where}
        case ["cut", operation, *rest]:
            _cut(placed, int(operation), rest)
            return {"cut_at": int(operation), "operations": placed.node.operations}
        case ["truth"]:
            pass
        case _:
            raise BadOrder(f"there is no order {' '.join([verb, *words])!r}; `help` lists them")
    return _truth(world, placed)


def _cut(placed: Placed, operation: int, words: list[str]) -> None:
    match words:
        case []:
            placed.node.cut_power_at(operation, torn=True)
        case ["off"]:
            placed.node.cut_power_at(operation, torn=True, off_for=None)
        case [seconds]:
            placed.node.cut_power_at(operation, torn=True, off_for=float(seconds))
        case _:
            raise BadOrder("cut OPERATION [SECONDS|off]")


def _coordinator(world: MeshWorld, what: str) -> dict[str, Any]:
    match what:
        case "unplug":
            world.network.unplug()
        case "replug":
            world.network.replug()
        case "reset":
            world.network.reset_coordinator()
        case _:
            raise BadOrder("coordinator unplug|replug|reset")
    return {"coordinator": what}


def _air(world: MeshWorld) -> dict[str, Any]:
    counters = world.network.counters
    return {"frames": counters.frames, "lost": counters.lost, "blocks": world.network.blocks}


def _truth(world: MeshWorld, placed: Placed) -> dict[str, Any]:
    truth, place = placed.node.truth(), world.network.truth(placed.ieee)
    return {
        "profile": placed.profile,
        "ieee": placed.ieee,
        "powered": truth.powered,
        "bootable": truth.bootable,
        "joined": place.joined,
        "hops": place.hops,
        "operations": placed.node.operations,
        "running": {
            str(image): f"{digest.algorithm}:{digest.value.hex()}" for image, digest in truth.running.items()
        },
    }
