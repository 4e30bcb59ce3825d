"""The composition root: the one place that knows every part and puts them together."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import cast

from gateway.artifacts.backups import BackupStore
from gateway.artifacts.fetch import Fetcher
from gateway.artifacts.files import make_folder, off_loop
from gateway.artifacts.store import ArtifactStore
from gateway.attempt.health import Hook
from gateway.attempt.ports import Clock
from gateway.attempt.session import Opener
from gateway.clock import now
from gateway.config.model import Config
from gateway.journal import Database, Journal
from gateway.lock import only_one
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.releases.shelf import ReleaseShelf
from gateway.service.adapters.callings import Callings
from gateway.service.adapters.reach import Reach
from gateway.service.gateway import Gateway
from gateway.service.identity.keeper import IdentityKeeper
from gateway.service.identity.places import LocalPlaces
from gateway.service.inventory import Inventory
from gateway.service.links.leases import Leases
from gateway.service.links.programs import LocalPrograms, Programs
from gateway.service.node_types import NodeTypes
from gateway.service.nodes.roster import Roster
from gateway.service.rebuilding.keeping import Memory
from gateway.service.seeing.upstream import trouble_of
from gateway.service.shapes import Shapes
from gateway.service.site import Site
from gateway.service.standing.manager import ServiceManager
from gateway.service.stock import Pins
from gateway.service.zigbee.hearing import Hearing
from gateway.service.zigbee.reach import ZigbeeReach
from gateway.state.exporting import clear_work
from gateway.state.importing import settle
from gateway.trust.policy import TrustPolicy
from gateway.upstream.port import Upstream
from transports.ble.adapters import Adapters
from transports.errors import TenderError
from transports.open import open_link
from transports.zigbee.network import Network
from transports.zigbee.networks import Networks, NetworkSettings

log = logging.getLogger("tender.app")

_LAST_WORDS_S = 3.0
"""How long a stopping service waits for its last events to be acknowledged."""
_LAST_WORDS_TICK_S = 0.05
_AGAIN_S = 15.0
"""Until what a full disk did not take is tried again."""


async def make_site(
    config: Config,
    stack: AsyncExitStack,
    *,
    opener: Opener = open_link,
    registry: Registry | None = None,
    node_types: NodeTypes | None = None,
    programs: Programs | None = None,
    database: Callable[[Path], Database] = Database,
    clock: Clock = now,
    adapters: Adapters | None = None,
    networks: Networks | None = None,
) -> Site:
    """Open everything that a gateway keeps in its state folder; ``stack`` closes it again.

    ``opener``, ``registry``, ``node_types``, ``database``, ``clock``, ``adapters`` and ``networks``
    are the installation's own if left out.

    Raises:
        TenderError: the journal is too new or damaged, the disk cannot be used, a key is bad.
    """
    registry = registry or Registry()
    make_folder(config.state, 0o750)  # configurations and backups are nobody else's business
    stack.enter_context(only_one(config.state))
    await off_loop(lambda: settle(config.state))
    await off_loop(lambda: clear_work(config.state))
    journal = Journal(database(config.state / "journal.sqlite"), config.gateway.name, clock)
    await journal.open(mend=True)
    stack.push_async_callback(journal.close)
    trust = TrustPolicy.of(
        config.trust.keys, threshold=config.trust.threshold, unsigned=config.trust.unsigned
    )
    node_types = node_types or NodeTypes(load_profiles(config.profiles, registry))
    pins = Pins(await journal.pinned())
    roster = Roster(config.nodes, await journal.kept(), await journal.uncleared())
    inventory = Inventory(journal, roster, Shapes(node_types))
    store = await ArtifactStore.open(config.state / "store", cap=config.store.max_bytes, pinned=pins)
    fetcher = Fetcher(store)
    stack.push_async_callback(fetcher.close)
    reach = await _reach(config, journal, stack, adapters)
    zigbee = await _zigbee(config, journal, stack, networks, clock)
    return Site(
        config=config,
        journal=journal,
        inventory=inventory,
        identities=IdentityKeeper(journal, roster, clock, LocalPlaces(), shown_anew=inventory.shown_anew),
        store=store,
        backups=BackupStore(config.state / "backups", pinned=pins),
        fetcher=fetcher,
        shelf=await ReleaseShelf.open(config.state / "releases", trust),
        trust=trust,
        node_types=node_types,
        opener=opener,
        clock=clock,
        hooks=_hooks(registry),
        pins=pins,
        reach=reach,
        zigbee=zigbee,
        leases=Leases(
            config.rollout.per_link,
            journal=journal,
            shared={table.spec.channel: table for table in config.links.values() if table.has_hooks},
            programs=programs or LocalPrograms(config.state / "hooks"),
            clock=clock,
            places=lambda channel: reach.places(channel) or zigbee.places(channel),
        ),
    )


async def _reach(config: Config, journal: Journal, stack: AsyncExitStack, adapters: Adapters | None) -> Reach:
    """The ways to nodes on the air; nothing of Bluetooth is loaded before one of them is wanted."""
    if adapters is None:
        adapters = Adapters({name: table.settings for name, table in config.adapters.items()})
    adapters.learned |= await journal.caps()
    callings = Callings(journal)
    await callings.load()
    reach = Reach(adapters, callings)
    stack.push_async_callback(adapters.aclose)
    stack.push_async_callback(reach.ear.aclose)
    return reach


async def _zigbee(
    config: Config, journal: Journal, stack: AsyncExitStack, networks: Networks | None, clock: Clock
) -> ZigbeeReach:
    """The ways to nodes of Zigbee networks; nothing of zigpy is loaded before one of these is opened."""
    if networks is None:
        settings = {name: table.settings for name, table in config.networks.items()}
        settings |= {name: table.settings for name, table in config.guests.items()}
        networks = Networks(settings, folder=config.state / "zigbee", guests=partial(_guest, config))
    hearing = Hearing(journal, clock)
    await hearing.load()
    zigbee = ZigbeeReach(networks, hearing)
    stack.push_async_callback(zigbee.aclose)
    return zigbee


async def _guest(config: Config, name: str, settings: NetworkSettings) -> Network:
    """A network that zigbee2mqtt owns; it is listened for from now on, whether it is there or not."""
    from gateway.upstream.guest.network import GuestNetwork  # only a guest needs a broker's client

    del settings
    return GuestNetwork(name, config.guests[name], f"tender-{config.gateway.name}-{name}")


async def serve(config: Config, *, manager: ServiceManager | None = None, first_look_s: float = 5.0) -> int:
    """Run the service until it is asked to stop; the answer is the exit code."""
    manager = manager or ServiceManager()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        gateway = Gateway(await make_site(config, stack), first_look_s=first_look_s)
        await gateway.start()
        await stack.enter_async_context(_api(gateway))
        jobs: list[Awaitable[None]] = [gateway.run()]
        upstream = _upstream(config)
        if upstream is not None:
            gateway.upstream_state = lambda: "connected" if upstream.connected else "disconnected"
            gateway.seeing.trouble = lambda: trouble_of(upstream)
            jobs.append(_tell_upstream(gateway, upstream))
        else:
            jobs.append(_nobody_listens(gateway))
        face = config.upstream.zigbee2mqtt
        if face is not None:
            from gateway.upstream.zigbee2mqtt.door import FaceDoor  # its client is for who has a broker

            jobs.append(FaceDoor(face, gateway, f"tender-{config.gateway.name}-zigbee2mqtt").run())
        tasks = [asyncio.ensure_future(job) for job in jobs]
        manager.ready(gateway.standing.sentence())
        alive = manager.run(gateway.site.journal.database.turn, gateway.standing.sentence)
        tasks.append(asyncio.ensure_future(alive))
        log.info("ready: %d nodes, %d open attempts", len(gateway.site.nodes), gateway.supervisor.depth)
        waiter = asyncio.ensure_future(stop.wait())
        await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        async with manager.stopping(gateway.standing.farewell()):
            await gateway.stop()
            await _let_upstream_finish(gateway, tasks[1:])
        waiter.cancel()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task  # a bug in the supervisor ends the process: the service manager restarts it
    return 0


def _upstream(config: Config) -> Upstream | None:
    if config.upstream.mqtt is None:
        return None
    from gateway.upstream.mqtt import MqttUpstream  # only a gateway with a broker needs its client

    return MqttUpstream(config.upstream.mqtt)


async def _tell_upstream(gateway: Gateway, upstream: Upstream) -> None:
    """What the broker remembers of a gateway that lost its journal is read before it is published over."""
    from gateway.upstream.requests import read_desired
    from gateway.upstream.retained import read_retained

    settings, name = gateway.site.config.upstream.mqtt, gateway.site.config.gateway.name

    async def read() -> Memory:
        if settings is None:
            return Memory()
        found = await read_retained(settings, name)
        urls: tuple[str | None, ...] = ()
        with suppress(TenderError):  # what cannot be understood is refused when it comes for good
            requests = read_desired(found.desired).requests() if found.desired is not None else ()
            urls = tuple(request.manifest_url for request in requests)
        return Memory(found.states, tuple(url for url in urls if url is not None), found.refused)

    await gateway.state.before_upstream(read)
    await upstream.run(gateway, gateway.outbox, gateway.discovery.owners)


async def _nobody_listens(gateway: Gateway) -> None:
    """Without an upstream, events count as told: the journal keeps the newest."""
    while True:
        try:
            await gateway.site.journal.nothing_listens()
        except TenderError as error:  # a full disk, most likely: that ends nothing
            log.info("events are not marked as told: %s", error.code)
            await asyncio.sleep(_AGAIN_S)
        await gateway.site.journal.news()


async def _let_upstream_finish(gateway: Gateway, upstream: Sequence[asyncio.Future[None]]) -> None:
    """The last events still go out, if the broker is there."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_S):
            while upstream and not upstream[0].done() and gateway.upstream_state() == "connected":
                if not (await gateway.site.journal.unsent_depth())[0]:
                    return
                await asyncio.sleep(_LAST_WORDS_TICK_S)


def _hooks(registry: Registry) -> Callable[[str], Hook]:
    return lambda name: cast(Hook, registry.health_hook(name))


@asynccontextmanager
async def _api(gateway: Gateway) -> AsyncIterator[None]:
    from gateway.api.server import ApiServer  # the tests of a gateway's parts need no HTTP

    config = gateway.site.config
    server = ApiServer(gateway, config.socket, spool=config.state / "spool")
    await server.start()
    try:
        yield
    finally:
        await server.stop()
