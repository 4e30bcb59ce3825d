"""What a look, or a node by itself, shows outside of an attempt; and whether others have been at it."""

from flashers.api import Firmware, Role
from gateway.journal.journal import Told
from gateway.model.nodes import Change, differs, running
from gateway.model.records import Observation
from gateway.service.inventory import Inventory


async def saw(inventory: Inventory, node: str, observation: Observation) -> bool:
    """Keep it; whether the node runs something else than was last known.

    What was proved last stays the measure until somebody deploys or accepts; a node
    that runs it again is as it should be.  A wounded node's firmware is nobody's claim,
    so no other is a surprise there.
    """
    before = inventory.seen(node)
    last = running(before.seen) if before is not None else {}
    standing = inventory.roster.kept(node).changed
    now = running(observation.seen)
    news = differs(last, now)
    change = standing
    if observation.seen.role in (Role.APP, Role.LOADER) and inventory.wound(node) is None:
        proved = standing.before if standing is not None else last
        if differs(proved, now):
            same = standing is not None and not differs(standing.after, now)
            change = standing if same else Change(dict(proved), now, observation.at)
        elif now and all(image in now for image in proved):
            change = None
    told: tuple[Told, ...] = ()
    if news:
        data: dict[str, object] = {"before": _names(last), "after": _names(now)}
        told = (Told("node.changed", node=node, data=data),)
    await inventory.save_sight(node, observation, change, told)
    return news


def _names(firmware: dict[str, Firmware]) -> dict[str, str | None]:
    return {
        image: (str(each.identity) if each.identity else each.version) for image, each in firmware.items()
    }
