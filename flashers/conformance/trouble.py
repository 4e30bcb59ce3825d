"""Cases about whatever may die, and when: power, links, manners.

Each of them asks the same: a named error or success comes of it, and the next session
brings the node to the target.
"""

import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress

from flashers.api import Exposure, Role, Seen, VirtualNode
from flashers.conformance.bench import Bench, Between, Lease, identity_of, play, spread
from flashers.conformance.peers import Babbler, Flood, Stranger
from flashers.conformance.rules import Failure, Table, require
from flashers.conformance.subject import Subject
from transports.errors import TenderError

TABLE = Table()

_POWER_CUTS = 64
_LINK_CUTS = 32
_SEEDS = 12
_FLOOD = 3 << 20
_MEMORY = 2 << 20
"""Bytes that may be held while a flood passes; sessions keep a console and 256 KiB for a reader."""


@TABLE.case()
def power_may_fail_at_any_operation(subject: Subject) -> None:
    """Before every erase and program of an update, and in the middle of each."""
    operations = _operations(subject)
    for torn in False, True:
        for operation in spread(operations, _POWER_CUTS):

            async def story(bench: Bench, at: int = operation, torn: bool = torn) -> None:
                bench.node.cut_power_at(at, torn=torn, off_for=1.0)
                await _disturbed(bench)

            how = "in the middle of" if torn else "before"
            _told(subject, story, f"power fails {how} operation {operation} of {operations}")


@TABLE.case(lambda declared: declared.exposure is Exposure.NONE)
def no_loss_of_power_leaves_a_node_without_firmware(subject: Subject) -> None:
    """That is what is declared; nobody helps, and the node has to boot by itself."""
    operations = _operations(subject)
    for torn in False, True:
        for operation in spread(operations, _POWER_CUTS):

            async def story(bench: Bench, at: int = operation, torn: bool = torn) -> None:
                bench.node.cut_power_at(at, torn=torn, off_for=None)
                lease = bench.lease()
                with suppress(TenderError):
                    await lease.arrive(subject.new)
                await lease.end()
                truth = bench.node.truth()
                require(not truth.powered, "the update did not come as far as the last time")
                require(truth.bootable, "there is no firmware that would run")
                bench.node.power_on()
                settled = await bench.settles_on(subject.old, subject.silence) or bench.runs(subject.new)
                require(settled, "it runs neither the old image nor the new one")

            _told(subject, story, f"power fails at operation {operation} of {operations}")


@TABLE.case()
def the_link_may_be_cut_at_any_byte(subject: Subject) -> None:
    """Towards the node, and towards the host."""

    async def count(bench: Bench) -> tuple[int, int]:
        lease = bench.lease()
        await lease.arrive(subject.new)
        return bench.line.line.down.carried, bench.line.line.up.carried

    down, up = play(subject, count)
    for direction, carried in ("down", down), ("up", up):
        for byte in spread(carried - 1, _LINK_CUTS):
            where = f"the link is cut at byte {byte} of {carried} ({direction})"
            _told(subject, _disturbed, where, faults=f"cut-link@{byte};dir={direction}")


@TABLE.case()
def the_cable_may_be_pulled(subject: Subject) -> None:
    """Every verb then ends by name, cleanup without one, and the node is found again."""

    async def story(bench: Bench) -> None:
        for name, verb in _VERBS.items():
            lease = bench.lease()
            await lease.probe()
            bench.line.unplug()
            with suppress(TenderError):
                await verb(lease)
                require(name not in {"transfer", "backup"}, f"{name} succeeds without a link")
            await lease.end()
            bench.line.replug()
        await bench.lease().bring(subject.new)

    _told(subject, story, "the cable is pulled")


@TABLE.case()
def noise_on_the_line_does_no_harm(subject: Subject) -> None:
    """Random bytes between the node's own: named errors or success, and then the target."""
    for seed in range(_SEEDS):
        share = (0.02, 0.1, 0.5)[seed % 3]

        async def story(bench: Bench) -> None:
            lease = bench.lease()
            for verb in _VERBS.values():
                with suppress(TenderError):
                    await verb(lease)
            with suppress(TenderError):
                seen = await lease.probe()
                active = seen.active(0)
                if seen.role is Role.APP and active is not None and active.firmware is not None:
                    for image in subject.old, subject.new:
                        if image.firmware.same(active.firmware):
                            true = await bench.settles_on(image, subject.silence)
                            require(true, f"it was made believe that {image.firmware} runs")
            await lease.end()

        def between(node: VirtualNode, seed: int = seed, share: float = share) -> Babbler:
            return Babbler(node, seed, share)

        _told(subject, story, f"noise, seed {seed}", between=between)


@TABLE.case()
def a_stranger_is_not_taken_for_a_node(subject: Subject) -> None:
    """Whoever answers with anything gets named errors, no end of patience, and no belief."""
    for seed in range(_SEEDS):

        async def story(bench: Bench) -> None:
            for name, verb in _VERBS.items():
                lease = bench.lease()
                with suppress(TenderError):
                    said = await verb(lease)
                    require(name not in {"transfer", "backup"}, f"{name} succeeds with a stranger")
                    proved = said.evidence if isinstance(said, Seen) else ()
                    require(not proved, f"after {name} a stranger's word is evidence: {proved}")
                await lease.end()

        def between(node: VirtualNode, seed: int = seed) -> Stranger:
            del node
            return Stranger(seed)

        _told(subject, story, f"a stranger answers, seed {seed}", between=between)


@TABLE.case()
def a_flood_does_not_fill_the_memory(subject: Subject) -> None:
    """A node that never stops talking, without one line in it."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        with suppress(TenderError):
            await lease.probe()
        with suppress(TenderError):
            await lease.transfer(subject.new)
        await lease.end()

    def between(node: VirtualNode) -> Flood:
        del node
        return Flood(_FLOOD)

    play(subject, lambda bench: bench.lease().probe())  # what is imported late is no part of it
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        _told(subject, story, "a flood of bytes", between=between)
        held = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    require(held <= _MEMORY, f"{held / 1e6:.1f} MB were held while {_FLOOD / 1e6:.1f} MB passed")


@TABLE.case()
def a_session_leaves_nothing_behind(subject: Subject) -> None:
    """Whatever was begun: after cleanup the application runs, and the next session begins afresh."""

    async def story(bench: Bench) -> None:
        for begin in (Lease.probe, Lease.enter_loader):
            lease = bench.lease()
            await begin(lease)
            await lease.end()
            await lease.end()  # it is called on every way out
            back = await bench.settles_on(subject.old, subject.silence)
            require(back, f"after {begin.__name__} and cleanup the application does not run")
        unused = bench.lease()
        await unused.end()
        require(unused.session.opens == 0, "cleanup opens a link that nobody had opened")
        again = await bench.lease().probe()
        active = again.active(0)
        held = None if active is None else active.firmware
        require(subject.old.firmware.same(held), f"the next session sees {held}")

    play(subject, story)


Story = Callable[[Bench], Awaitable[None]]


async def _disturbed(bench: Bench) -> None:
    """A first session that meets with the trouble, and a second one that has to succeed."""
    subject = bench.subject
    first = bench.lease()
    with suppress(TenderError):
        await first.arrive(subject.new)
    await first.end()
    second = bench.lease()
    await second.bring(subject.new)
    await second.end()
    require(await bench.settles_on(subject.new, subject.silence), "it runs something else than it says")
    require(bench.node.truth().confirmed, "a restart would take the target away")


def _operations(subject: Subject) -> int:
    """Flash operations of an update that nothing disturbs."""

    async def story(bench: Bench) -> int:
        await bench.lease().arrive(subject.new)
        return bench.node.operations

    operations = play(subject, story)
    require(operations, "the virtual node is updated without one flash operation")
    return operations


def _told(
    subject: Subject,
    story: Story,
    where: str,
    *,
    faults: str = "",
    between: Between | None = None,
) -> None:
    """Tell a story, and say where it failed."""
    try:
        play(subject, story, faults=faults, between=between)
    except Failure as failure:
        raise Failure(f"{where}: {failure}") from failure


async def _preflight(lease: Lease) -> None:
    await lease.preflight(lease.subject.new, await lease.probe())


_VERBS: dict[str, Callable[[Lease], Awaitable[object]]] = {
    "probe": Lease.probe,
    "preflight": _preflight,
    "enter_loader": Lease.enter_loader,
    "transfer": lambda lease: lease.transfer(lease.subject.new),
    "activate": lambda lease: lease.activate(lease.subject.new),
    "confirm": lambda lease: lease.confirm(identity_of(lease.subject.new)),
    "rollback": Lease.rollback,
    "backup": Lease.backup,
}
