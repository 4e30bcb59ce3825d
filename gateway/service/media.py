"""What the supervisor asks of nodes that are on no wire: each medium answers for its own."""

from flashers.api import Reason
from gateway.attempt.session import HostSession
from gateway.model.records import Record
from gateway.service.adapters import on_air
from gateway.service.site import Site
from gateway.service.zigbee import on_network


def gate(site: Site, record: Record) -> Reason | None:
    """Why an attempt on this node is not begun now; nothing is held meanwhile."""
    return on_air.gate(site, record) or on_network.gate(site, record)


def began(site: Site, record: Record) -> None:
    """It has its link."""
    on_air.began(site, record)


async def admit(site: Site, session: HostSession, record: Record) -> None:
    """Ask an untouched node what only it can say; if it has to wait, the session is closed.

    Raises:
        TenderError: it waits.
    """
    await on_air.admit(site, session, record)
    await on_network.admit(site, session, record)


def ended(site: Site, record: Record) -> None:
    """It has its link no more."""
    on_air.ended(site, record)


def forget(site: Site, record: Record) -> None:
    """Nobody waits for this node any more."""
    on_air.forget(site, record)
    on_network.forget(site, record)
