"""Cases about probe, preflight and backup: looking must be true, bounded, and leave the node alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flashers.api import (
    Declaration,
    EvidenceKind,
    NotSupported,
    Of,
    ProbeCost,
    Role,
    RollbackKind,
    Seen,
)
from flashers.conformance.bench import Bench, play
from flashers.conformance.rules import Failure, Table, require
from flashers.conformance.subject import Subject, identity_of
from transports.links import Medium

TABLE = Table()

_SAMPLE = 0.005
_AFTERMATH = 2.0
"""Seconds for which a node is watched after a probe: a restart may be late."""


def _restores(declared: Declaration) -> bool:
    return RollbackKind.RESTORE in declared.rollback


def _boots_are_proved(declared: Declaration) -> bool:
    return bool(declared.boot_evidence - {EvidenceKind.NONE})


@TABLE.case()
def a_fresh_node_tells_what_it_runs(subject: Subject) -> None:
    """The active slot holds what really runs, and it is known in a declared way."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        seen = await lease.probe()
        require(seen.role is Role.APP, f"a healthy node is {seen.role}")
        active = seen.active(0)
        require(active is not None, "no slot of image 0 is active")
        firmware = None if active is None else active.firmware
        require(subject.old.firmware.same(firmware), f"it runs {subject.old.firmware}, and says {firmware}")
        require(not subject.new.firmware.same(firmware), "it says that it runs the other image as well")
        _evidence_is_declared(subject, seen)
        await lease.end()
        require(await bench.settles_on(subject.old, subject.silence), "after a probe it runs no more")

    play(subject, story)


@TABLE.case(_boots_are_proved)
def boot_evidence_of_a_declared_kind_is_there(subject: Subject) -> None:
    """What a profile will ask for can really be had."""

    async def story(bench: Bench) -> None:
        seen = await bench.lease().probe()
        kinds = subject.declared.boot_evidence
        require(seen.proves(Of.BOOT, kinds), f"none of {', '.join(sorted(kinds))} is among {seen.evidence}")

    play(subject, story)


@TABLE.case()
def a_node_without_power_is_silent(subject: Subject) -> None:
    """No error, no claim, and an answer in time."""

    async def story(bench: Bench) -> None:
        bench.node.power_off()
        lease = bench.lease()
        loop = asyncio.get_running_loop()
        before = loop.time()
        seen = await lease.probe()
        took = loop.time() - before
        # Whether a node that only listens at times has no power, or sleeps, nobody can know.
        silent = {Role.SILENT, Role.ASLEEP} if subject.leads is Medium.ZIGBEE else {Role.SILENT}
        require(seen.role in silent, f"a node without power is {seen.role}")
        require(not seen.evidence, f"there is evidence of a node that says nothing: {seen.evidence}")
        require(took <= subject.silence, f"it took {took:.0f} s to know that nobody answers")
        await lease.end()
        bench.node.power_on()
        await bench.lease().bring(subject.old)

    play(subject, story)


@TABLE.case()
def a_blank_node_claims_nothing(subject: Subject) -> None:
    """No firmware runs, so none is named, and nothing proves a boot; then it is brought to life."""

    async def story(bench: Bench) -> None:
        require(not bench.node.truth().running, "the virtual node runs something without any firmware")
        lease = bench.lease()
        seen = await lease.probe()
        active = seen.active(0)
        require(seen.role is not Role.APP, "a node without firmware is said to run its application")
        require(active is None or not active.firmware, f"its slot is said to hold firmware: {active}")
        require(not any(piece.of is Of.BOOT for piece in seen.evidence), "its boot is said to be proved")
        if seen.role is Role.LOADER:
            await lease.bring(subject.new)
            require(await bench.settles_on(subject.new, subject.silence), "it does not run the image")
        await lease.end()

    play(subject, story, blank=True)


@TABLE.case()
def looking_does_not_write(subject: Subject) -> None:
    """Neither probe nor preflight touches the flash."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        seen = await lease.probe()
        reasons = await lease.preflight(subject.new, seen)
        require(not reasons, f"there are reasons against a good image on a good node: {reasons}")
        await lease.preflight(subject.old, await lease.probe())
        await lease.end()
        require(not bench.node.operations, f"the flash was written {bench.node.operations} times")
        require(await bench.settles_on(subject.old, subject.silence), "the node runs something else now")

    play(subject, story)


@TABLE.case()
def a_look_that_may_cost_nothing_costs_nothing(subject: Subject) -> None:
    """Where no restart is allowed, none happens, whatever is declared."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        async with _uninterrupted(bench, "a probe that may cost nothing"):
            seen = await lease.probe(ProbeCost.NONE)
        if subject.declared.probe_cost is ProbeCost.NONE:
            require(seen.role is Role.APP, f"a probe that costs nothing finds the node {seen.role}")
        await lease.end()

    play(subject, story)


@TABLE.case(_restores)
def a_backup_brings_the_node_back(subject: Subject) -> None:
    """What was read before is an image, and makes the node run what it ran."""

    async def story(bench: Bench) -> None:
        first = bench.lease()
        backup = await first.backup()
        require(not bench.node.operations, "reading the node wrote its flash")
        await first.end()
        require(await bench.settles_on(subject.old, subject.silence), "after a backup it runs no more")
        image = subject.read(backup)
        second = bench.lease()
        await second.bring(subject.new)
        require(await bench.settles_on(subject.new, subject.silence), "the update did not arrive")
        await second.arrive(image)
        await second.end()
        back = await bench.settles_on(subject.old, subject.silence)
        require(back, "the restored node does not run what it ran")

    play(subject, story)


@TABLE.case(lambda declared: not _restores(declared))
def a_backup_that_was_not_promised_is_refused(subject: Subject) -> None:
    """By the name for it."""

    async def story(bench: Bench) -> None:
        try:
            await bench.lease().backup()
        except NotSupported:
            return
        raise Failure("backup works, and restore is not declared")

    play(subject, story)


def _evidence_is_declared(subject: Subject, seen: Seen) -> None:
    declared = subject.declared
    kinds = {
        Of.BOOT: declared.boot_evidence | {EvidenceKind.NONE},
        Of.TRANSFER: declared.transfer_evidence | {EvidenceKind.NONE},
    }
    for piece in seen.evidence:
        require(piece.kind in kinds[piece.of], f"{piece.of} evidence by {piece.kind} is not declared")


@asynccontextmanager
async def _uninterrupted(bench: Bench, what: str) -> AsyncIterator[None]:
    """Look at what the node executes all the while, past every protocol, and a little longer."""
    identity, stopped = identity_of(bench.subject.old), False

    async def look() -> None:
        nonlocal stopped
        while True:
            stopped = stopped or identity not in bench.node.truth().running.values()
            await asyncio.sleep(_SAMPLE)

    looking = asyncio.create_task(look())
    try:
        yield
        await asyncio.sleep(_AFTERMATH)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    require(not stopped, f"{what} stopped the application")
