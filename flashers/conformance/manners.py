"""Cases about noise, strangers and floods, and about what a session leaves behind."""

import tracemalloc
from contextlib import suppress

from flashers.api import Role, Seen
from flashers.conformance.bench import Bench, play
from flashers.conformance.lease import VERBS, Lease
from flashers.conformance.peers import babbling, flooding, strange
from flashers.conformance.rules import Table, require
from flashers.conformance.subject import Subject
from transports.errors import TenderError
from transports.links import Medium

TABLE = Table()

_SEEDS = 12
_FLOOD = 3 << 20
_MEMORY = 2 << 20
"""Bytes that may be held while a flood passes; sessions keep a console and 256 KiB for a reader."""


@TABLE.case()
def noise_on_the_line_does_no_harm(subject: Subject) -> None:
    """Random bytes between the node's own: named errors or success, and then the target."""
    for seed in range(_SEEDS):
        share = (0.02, 0.1, 0.5)[seed % 3]

        async def story(bench: Bench) -> None:
            lease = bench.lease()
            for verb in VERBS.values():
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

        play(subject, story, where=f"noise, seed {seed}", between=babbling(seed, share))


@TABLE.case()
def a_stranger_is_not_taken_for_a_node(subject: Subject) -> None:
    """Whoever answers with anything gets named errors, no end of patience, and no belief."""
    for seed in range(_SEEDS):

        async def story(bench: Bench) -> None:
            for name, verb in VERBS.items():
                lease = bench.lease()
                with suppress(TenderError):
                    said = await verb(lease)
                    require(name not in {"transfer", "backup"}, f"{name} succeeds with a stranger")
                    proved = said.evidence if isinstance(said, Seen) else ()
                    require(not proved, f"after {name} a stranger's word is evidence: {proved}")
                await lease.end()

        play(subject, story, where=f"a stranger answers, seed {seed}", between=strange(seed))


@TABLE.case()
def every_verb_ends_by_name_or_well(subject: Subject) -> None:
    """Also out of turn: on a node that was not looked at, in any order, and twice."""

    async def story(bench: Bench) -> None:
        for name, verb in VERBS.items():
            lease = bench.lease()
            for _ in range(2):
                with suppress(TenderError):
                    await verb(lease)
            await lease.end()
            after = bench.lease()
            seen = await after.answering()
            await after.end()
            require(seen.role is not Role.SILENT, f"after {name} the node does not answer any more")

    play(subject, story)


@TABLE.case(only=Medium.UART)
def a_flood_does_not_fill_the_memory(subject: Subject) -> None:
    """A node that never stops talking, without one line in it."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        with suppress(TenderError):
            await lease.probe()
        with suppress(TenderError):
            await lease.transfer(subject.new)
        await lease.end()

    play(subject, lambda bench: bench.lease().probe())  # what is imported late is no part of it
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        play(subject, story, where="a flood of bytes", between=flooding(_FLOOD))
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
