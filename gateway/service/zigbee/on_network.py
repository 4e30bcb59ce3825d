"""What the supervisor and looks ask of nodes of Zigbee networks; to others none of it applies."""

from flashers.api import Reason, Role, Seen
from gateway.attempt.session import HostSession
from gateway.attempt.zigbee import NotHeard
from gateway.model.records import Record
from gateway.profiles.zigbee import ZigbeeTable
from gateway.service.site import Site
from gateway.service.zigbee import gates
from gateway.service.zigbee.reach import place_of
from transports.links import LinkSpec, Medium
from transports.zigbee.errors import CoordinatorLost


def gate(site: Site, record: Record) -> Reason | None:
    """Why an attempt on this node is not begun now; nothing is held meanwhile."""
    spec = _spec(site, record.node)
    return None if spec is None else gates.gate(site.zigbee, spec, _table(site, record.node), record)


async def admit(site: Site, session: HostSession, record: Record) -> None:
    """Ask an untouched node what only it can say; if it has to wait, the session is closed.

    Raises:
        TenderError: it waits.
    """
    spec = _spec(site, record.node)
    if record.touched or spec is None:
        return
    try:
        await gates.admit(session, _table(site, record.node), record.node)
    except NotHeard:
        site.zigbee.hearing.missed(place_of(spec))
        await session.close()
        raise
    except BaseException:
        await session.close()
        raise


def forget(site: Site, record: Record) -> None:
    """Nobody waits for this node any more."""
    spec = _spec(site, record.node)
    if spec is not None:
        site.zigbee.drop(place_of(spec))


def unasked(site: Site, node: str) -> Seen | None:
    """What a look at a node shows that is not asked, since it sleeps; None if it may be asked.

    Raises:
        CoordinatorLost: its network is not there, which says nothing of the node.
    """
    spec = _spec(site, node)
    if spec is None:
        return None
    away = site.zigbee.away(spec.target)
    if away is not None:
        raise CoordinatorLost(away.message, remedy=away.remedy)
    facts = site.zigbee.facts(spec)
    if facts is None or not facts.sleepy or site.zigbee.hearing.awake(place_of(spec)):
        return None
    return Seen(Role.ASLEEP)


def away(site: Site, node: str) -> bool:
    """Whether a node's network is not there, which says nothing of the node."""
    spec = _spec(site, node)
    return spec is not None and site.zigbee.away(spec.target) is not None


def asleep(site: Site, node: str) -> Reason | None:
    """Why a sleepy node cannot be asked now, in words; None of others."""
    spec = _spec(site, node)
    facts = site.zigbee.facts(spec) if spec is not None else None
    if spec is None or facts is None or not facts.sleepy:
        return None
    return gates.unheard(site.zigbee, place_of(spec), facts, _table(site, node), node)


def _spec(site: Site, node: str) -> LinkSpec | None:
    table = site.nodes.get(node)
    return table.spec if table is not None and table.spec.medium is Medium.ZIGBEE else None


def _table(site: Site, node: str) -> ZigbeeTable:
    return site.node_types.get(site.nodes[node].profile).profile.zigbee
