"""What the supervisor asks of nodes on the air; to nodes on a line none of it applies."""

from flashers.api import Reason
from gateway.attempt.session import HostSession
from gateway.model.records import Record
from gateway.profiles.radio import RadioTable
from gateway.service.adapters import gates
from gateway.service.adapters.reach import place_of
from gateway.service.site import Site
from transports.links import LinkSpec, Medium


def gate(site: Site, record: Record) -> Reason | None:
    """Why an attempt on this node is not begun now; nothing is held meanwhile."""
    spec = _spec(site, record)
    if spec is None:
        return None
    if (taken := _loader_gate(site, spec, record)) is not None:
        return taken
    return gates.gate(site.reach, place_of(spec), _table(site, record), record)


def began(site: Site, record: Record) -> None:
    """It has its place on the adapter, and takes the loader's where such loaders cannot be told apart."""
    spec = _spec(site, record)
    if spec is not None and _alike(site, record):
        site.reach.loaders.take(spec.channel, place_of(spec))


async def admit(site: Site, session: HostSession, record: Record) -> None:
    """Ask an untouched node what only it can say; if it has to wait, the session is closed.

    Raises:
        TenderError: it waits.
    """
    if record.touched or _spec(site, record) is None:
        return
    try:
        await gates.admit(session, _table(site, record), record.node)
    except BaseException:
        await session.close()
        raise


def ended(site: Site, record: Record) -> None:
    """It has its place no more."""
    spec = _spec(site, record)
    if spec is not None:
        site.reach.loaders.give_back(spec.channel, place_of(spec))


def forget(site: Site, record: Record) -> None:
    """Nobody waits for this node any more."""
    spec = _spec(site, record)
    if spec is not None:
        site.reach.ear.drop(place_of(spec))


def _spec(site: Site, record: Record) -> LinkSpec | None:
    table = site.nodes.get(record.node)
    return table.spec if table is not None and table.spec.medium is Medium.BLE else None


def _table(site: Site, record: Record) -> RadioTable:
    return site.node_types.get(record.profile).profile.radio


def _alike(site: Site, record: Record) -> bool:
    return site.node_types.get(record.profile).declaration.alike_in_loader


def _loader_gate(site: Site, spec: LinkSpec, record: Record) -> Reason | None:
    if not _alike(site, record):
        return None
    return site.reach.loaders.reason(spec.channel, place_of(spec))
