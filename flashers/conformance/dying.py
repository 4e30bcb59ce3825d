"""Cases about whatever may die, and when: power, links, cables.

Each of them asks the same: a named error or success comes of it, and the next session
brings the node to the target.
"""

from contextlib import suppress

from flashers.api import Exposure
from flashers.conformance.bench import Bench, play, spread
from flashers.conformance.lease import VERBS
from flashers.conformance.rules import Table, require
from flashers.conformance.subject import Subject
from transports.errors import TenderError

TABLE = Table()

_POWER_CUTS = 64
_LINK_CUTS = 32


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
            play(subject, story, where=f"power fails {how} operation {operation} of {operations}")


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

            play(subject, story, where=f"power fails at operation {operation} of {operations}")


@TABLE.case()
def the_link_may_be_cut_anywhere(subject: Subject) -> None:
    """At any byte of a line, at any packet of a radio; towards the node, and towards the host."""

    async def count(bench: Bench) -> tuple[int, int]:
        lease = bench.lease()
        await lease.arrive(subject.new)
        return bench.place.carried

    down, up = play(subject, count)
    for direction, carried in ("down", down), ("up", up):
        for at in spread(carried - 1, _LINK_CUTS):
            where = f"the link is cut at {at} of {carried} ({direction})"
            play(subject, _disturbed, where=where, cut=(at, direction == "up"))


@TABLE.case()
def the_cable_may_be_pulled(subject: Subject) -> None:
    """Every verb then ends by name, cleanup without one, and the node is found again."""

    async def story(bench: Bench) -> None:
        for name, verb in VERBS.items():
            lease = bench.lease()
            await lease.probe()
            bench.place.unplug()
            with suppress(TenderError):
                await verb(lease)
                require(name not in {"transfer", "backup"}, f"{name} succeeds without a link")
            await lease.end()
            bench.place.replug()
        await bench.lease().bring(subject.new)

    play(subject, story, where="the cable is pulled")


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
