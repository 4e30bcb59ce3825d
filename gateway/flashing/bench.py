"""A gateway for one node and one image: its own journal, resumed by asking for the same again.

An image given by hand is the operator's own word, so it needs no signature; all
else (digest, format, size, hardware, a way back) is checked as ever.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from flashers.api import Role, Seen
from gateway.app import make_site
from gateway.attempt import advance
from gateway.attempt.runner import Runner, Surroundings
from gateway.attempt.session import HostSession, Opener
from gateway.attempt.steps import Finish
from gateway.attempt.telling import done_told, phase_told
from gateway.config.model import Config, NodeTable
from gateway.errors import RequestError
from gateway.flashing.profile_file import profiles_with
from gateway.model.outcomes import Origin, Outcome
from gateway.model.records import Part, Record, Target, Trouble
from gateway.plugins.registry import Registry
from gateway.service.node_types import NodeTypes, rules_of
from gateway.service.site import Site
from gateway.service.stock import target_of_file
from gateway.service.ways_back import KnownWays
from transports.ble.adapters import Adapters
from transports.errors import BadLink
from transports.links import LinkSpec, Medium
from transports.open import open_link

_IMAGE_BYTES = 64 << 20


class NoSuchFile(RequestError):
    """The image cannot be read."""

    code = "file-unreadable"
    remedy = "Check the path and its permissions."


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for."""

    image: Path
    profile: str
    link: str
    state: Path
    known_good: Path | None = None
    no_rollback: str = "refuse"
    patience_s: float | None = None


def default_state(link: str, base: Path) -> Path:
    """The journal's folder for a link, so that the same command finds it again."""
    channel = LinkSpec.parse(link).channel
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", channel).strip("-")[-40:]
    return base / f"{readable}-{hashlib.sha256(channel.encode()).hexdigest()[:8]}"


def node_name(link: str) -> str:
    """A node of this link, by name."""
    spec = LinkSpec.parse(link)
    text = f"{spec.target}-{spec.address}" if spec.address else spec.target
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")[-64:] or "node"


async def flash(
    wish: Wish,
    *,
    progress: Callable[[Record, int, int], None] = lambda _record, _done, _total: None,
    started: Callable[[Runner], None] = lambda _: None,
    opener: Opener = open_link,
    adapters: Adapters | None = None,
) -> Record:
    """Bring the node to the image, and say what is true of it then.

    Raises:
        TenderError: nothing was begun: a bad file, profile or link, or a state folder in use.
    """
    if LinkSpec.parse(wish.link).medium is Medium.ZIGBEE:
        raise BadLink(
            "a Zigbee node is reached through the service that has its coordinator",
            remedy="Start the service with [networks.NAME], adopt the node, and use `tender deploy`.",
        )
    name = node_name(wish.link)
    async with AsyncExitStack() as stack:
        registry = Registry()
        profiles, profile = profiles_with(wish.profile, registry)
        config = Config(
            state=wish.state.absolute(),
            socket=Path("/nowhere/tender.sock"),
            nodes={name: NodeTable(profile=profile, link=wish.link)},
        )
        node_types = NodeTypes(profiles)
        node_types.get(profile)
        site = await make_site(
            config, stack, opener=opener, registry=registry, node_types=node_types, adapters=adapters
        )
        await site.inventory.load()
        record = await _record(wish, site, name, profile)
        await site.known(record)
        return await _run(record, site, progress, started)


async def _record(wish: Wish, site: Site, name: str, profile: str) -> Record:
    """The attempt that was left open, the recovery of a wounded one, or a new one."""
    want = await _target(wish.image, site, profile)
    known_good = await _target(wish.known_good, site, profile) if wish.known_good is not None else None
    last = site.inventory.last(name)
    if last is not None and last.parts and last.parts[0].want.artifact == want.artifact:
        if not last.done:
            return last
        if last.result is not None and last.result.outcome is Outcome.WOUNDED:
            earlier = last
            return await site.journal.create(
                lambda number: _with_known_good(advance.recovery_of(earlier, number), known_good), phase_told
            )
    if last is not None and (not last.done or _wounded(last)):
        # The node may be half-written: what it had before is the older attempt's to know.
        known_good = known_good or last.parts[0].known_good
        await _set_aside(last, site)
    node_type = site.node_types.get(profile)
    rules = rules_of(node_type.profile, node_type.declaration, no_rollback=wish.no_rollback)
    if wish.patience_s is not None:
        rules = replace(rules, patience=wish.patience_s)
    component = node_type.profile.components[0].value()

    def make(number: int) -> Record:
        return Record(
            id=number,
            node=name,
            profile=profile,
            parts=(Part(component, want, known_good=known_good),),
            rules=rules,
            origin=Origin.OPERATOR,
            asked_by="command line",
            created=site.clock(),
            started=site.clock(),
        )

    return await site.journal.create(make, phase_told)


async def _run(
    record: Record,
    site: Site,
    progress: Callable[[Record, int, int], None],
    started: Callable[[Runner], None],
) -> Record:
    ways = KnownWays(site.journal, site.inventory)
    around = Surroundings(
        journal=site.inventory,
        artifacts=site.stock(record.profile),
        ways_back=ways,
        node_type=site.node_types.get(record.profile),
        clock=site.clock,
        hooks=site.hooks,
        proved_way_back=ways.proved,
    )
    session = HostSession(
        record.node,
        site.link(record.node),
        site.opener,
        progress=lambda done, total: progress(runner.record, done, total),
        radio=site.radio(record.node),
        network=site.network(record.node),
    )
    runner = Runner(record, session, around)
    started(runner)
    ended = await runner.run()
    if ended.result is not None and ended.result.outcome is not Outcome.SUCCEEDED:
        await site.journal.keep_trace(ended.id, session.recorder.text().splitlines())
    return ended


async def _target(path: Path, site: Site, profile: str) -> Target:
    try:
        with path.open("rb") as file:
            data = file.read(_IMAGE_BYTES + 1)
    except OSError as error:
        raise NoSuchFile(f"{path}: {error.strerror or error}") from error
    return await target_of_file(
        site.stock(profile), site.store, data, site.node_types.get(profile), path.name
    )


async def _set_aside(record: Record, site: Site) -> None:
    """End an attempt that another image takes the place of, with what is true of its node."""
    if record.done:
        return
    at_rest = not record.touched or (record.rules.separate and not record.activations)
    why = Trouble("superseded", "Another image was asked for before this attempt had ended.")
    step = Finish(Outcome.SUPERSEDED if at_rest else Outcome.WOUNDED, why)
    record = advance.finish(record, step, Seen(Role.UNKNOWN), at=site.clock())
    await site.inventory.save(record, (done_told(record),))


def _with_known_good(record: Record, known_good: Target | None) -> Record:
    if known_good is None:
        return record
    (part,) = record.parts
    return replace(record, parts=(replace(part, known_good=known_good),))


def _wounded(record: Record) -> bool:
    return record.result is not None and record.result.outcome is Outcome.WOUNDED
