"""Look at a node outside of an attempt: bounded, contained, and the link given back whatever happens."""

import asyncio
import logging

from flashers.api import FirmwareImage, IdentityChanged, Probe, ProbeCost, Seen, Stalled
from flashers.api.errors import PluginBug
from gateway.attempt.identity import identify, tell_stranger
from gateway.attempt.session import HostSession
from gateway.service.radio.errors import NotOwner
from gateway.service.site import Site
from gateway.service.zigbee import on_network
from transports.errors import LinkError, TenderError

log = logging.getLogger("tender.look")

_LOOK_S = 120.0
"""A look that takes longer hangs; flashers have shorter time-outs of their own."""


async def look(
    site: Site,
    node: str,
    allowed: ProbeCost,
    candidates: tuple[FirmwareImage, ...],
    *,
    touched: bool = False,
) -> Seen:
    """What a node shows now; the caller has the lease of its link.  One that sleeps is not asked.

    ``touched`` says that an attempt of ours left it so that it may not be able to say who it is.

    Raises:
        NotOwner: the node is on the air, and another gateway's.
        CoordinatorLost: the node's Zigbee network is not there, which says nothing of the node.
        IdentityChanged: another node answers, or the link leads to another socket than before.
        TenderError: it cannot be looked at; what a plugin raises otherwise is ``plugin-bug``.
    """
    foreign = site.not_ours(node)
    if foreign is not None:
        raise NotOwner(foreign.message, remedy=foreign.remedy)
    asleep = on_network.unasked(site, node)
    if asleep is not None:
        return asleep
    moved = await site.identities.look_at_place(node)
    if moved is not None:
        raise IdentityChanged(moved.message, remedy=moved.remedy)
    node_type = site.node_types.get(site.nodes[node].profile)
    session = HostSession(
        node,
        site.link(node),
        site.opener,
        identity=site.inventory.identity(node),
        counters=site.counters(node),
        radio=site.radio(node),
        network=site.network(node),
    )
    flasher = node_type.plugin.open(session, node_type.params)
    try:
        async with asyncio.timeout(_LOOK_S):
            try:
                seen = await flasher.probe(Probe(allowed, candidates))
            except IdentityChanged as error:
                await tell_stranger(session, site.identities, error)
                raise
            rule = node_type.profile.identity
            await identify(session, flasher, rule, seen, site.identities, touched=touched)
            return seen
    except TenderError:
        raise
    except TimeoutError as error:
        raise Stalled(f"the look at {node} did not end within {_LOOK_S:g} s") from error
    except (OSError, EOFError) as error:
        raise LinkError(f"{error}") from error
    except Exception as error:
        log.exception("node=%s plugin=%s", node, node_type.plugin.name)
        raise PluginBug(f"{node_type.plugin.name} raised {error!r}") from error
    finally:
        try:
            await flasher.cleanup()
        except Exception:
            log.exception("node=%s plugin=%s cleanup", node, node_type.plugin.name)
        await session.close()
