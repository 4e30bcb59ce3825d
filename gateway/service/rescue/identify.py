"""Have a node show itself: by its flasher, by a lamp on a modem line, by a word on its console."""

import asyncio

from flashers.api import ResetKind
from flashers.api.errors import NotSupported
from gateway.attempt.session import HostSession
from gateway.profiles.model import Profile
from gateway.service.site import Site
from transports.errors import LinkError, TenderError


async def identify(site: Site, node: str) -> str:
    """Do it by the way that the profile names, else by the flasher's own; how, in words.

    The caller has the lease of the link.

    Raises:
        NotSupported: there is no way.
        TenderError: the node or its link does not answer.
    """
    node_type = site.node_types.get(site.nodes[node].profile)
    way = node_type.profile.identify
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
        if way.console:
            link = await session.open()
            await link.write(way.console.encode() + b"\r\n")
            return f"{way.console!r} was sent to its console"
        if way.line is not ResetKind.NONE:
            await _blink(session, node_type.profile)
            return f"the lamp on its line {way.line.value.upper()} blinked {way.times} times"
        await flasher.identify()
        return f"{node_type.plugin.name} asked it to"
    except NotSupported as error:
        raise NotSupported(
            f"{node} has no way to show itself: {error.message[0].lower()}{error.message[1:]}",
            remedy="Name one in its profile (`[identify]`): a lamp on a line, or a word for its console.",
        ) from error
    except (OSError, EOFError) as error:
        raise LinkError(f"{error}") from error
    finally:
        try:
            await flasher.cleanup()
        except TenderError as error:
            session.note(f"cleanup: {error.code}")
        await session.close()


async def _blink(session: HostSession, profile: Profile) -> None:
    way = profile.identify
    link = await session.open()
    dtr = way.line is ResetKind.DTR
    try:
        for turn in range(2 * way.times):
            lit = bool(turn % 2)
            await link.set_lines(dtr=lit if dtr else None, rts=None if dtr else lit)
            await asyncio.sleep(way.every)
    finally:
        await link.set_lines(dtr=True if dtr else None, rts=None if dtr else True)
