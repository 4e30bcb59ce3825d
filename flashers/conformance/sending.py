"""Cases about transfers: arriving, being proved, being counted, and not being repeated."""

import asyncio

from flashers.api import Activation, Declaration, Of, Resume, Role
from flashers.conformance.bench import Bench, play
from flashers.conformance.rules import Failure, Table, require
from flashers.conformance.subject import IDENTIFYING, Subject
from transports.errors import TenderError

TABLE = Table()

_MOST_SENT = 2.0
"""A transfer on a good line may put this many times the image's size on it."""

_ARRIVED = 0.7
_MOST_RESENT = 0.6
"""The share of an image that may be sent again if 0.7 of it had arrived: what was under way counts too."""


@TABLE.case()
def a_transfer_puts_the_image_where_it_belongs(subject: Subject) -> None:
    """It is found there afterwards; where activation is separate, nothing else runs yet."""
    separate = subject.declared.activation is Activation.SEPARATE

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        await lease.enter_loader()
        said = await lease.transfer(subject.new)
        seen = await lease.probe() if said is None else said
        held = [slot for slot in seen.slots if subject.new.firmware.same(slot.firmware)]
        require(held, f"no slot holds the image after its transfer: {seen.slots}")
        if separate:
            # One that receives in its loader runs nothing meanwhile, and has the old image still.
            still = bench.runs(subject.old) or (seen.role is Role.LOADER and not bench.node.truth().running)
            require(still, "the node runs something else before it was told to")
            require(bench.node.truth().bootable, "the old image is gone before the new one was started")
            require(not any(slot.active for slot in held), "the image is said to run, and does not")
        require(
            said is None or said.proves(Of.TRANSFER, subject.declared.transfer_evidence),
            f"what the transfer returns proves it in no declared way: {said and said.evidence}",
        )
        await lease.activate(subject.new)
        await lease.answering()
        await lease.end()
        require(await bench.settles_on(subject.new, subject.silence), "the image does not run")

    play(subject, story)


@TABLE.case()
def progress_grows_to_the_size_of_the_image(subject: Subject) -> None:
    """In bytes, never backwards, and to the very end; and what is on the line is counted."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        await lease.enter_loader()
        await lease.transfer(subject.new)
        reports, size = lease.session.reports, subject.new.size
        done = [report[0] for report in reports]
        require(done, "a transfer tells no progress")
        require(done == sorted(done), f"progress goes back: {done}")
        require({report[1] for report in reports} == {size}, f"the whole is not always {size} bytes")
        require(done[-1] == size, f"progress ends at {done[-1]} of {size} bytes")
        sent = lease.session.bytes_sent
        require(sent >= 1, "bytes of the image on the link are not counted (Session.sent)")
        require(sent <= _MOST_SENT * size, f"{sent} bytes were sent for an image of {size}")
        await lease.end()

    play(subject, story)


@TABLE.case(lambda declared: bool(declared.transfer_evidence & IDENTIFYING))
def what_is_there_is_not_sent_again(subject: Subject) -> None:
    """A second transfer of the same image finds it, sends nothing and writes nothing."""

    async def story(bench: Bench) -> None:
        first = bench.lease()
        await first.bring(subject.new)
        await first.end()
        written = bench.node.operations
        second = bench.lease()
        await second.enter_loader()
        await second.transfer(subject.new)
        sent = second.session.bytes_sent
        require(not sent, f"{sent} bytes of an image were sent that is there already")
        require(bench.node.operations == written, "the flash was written with what it held")
        require(second.session.reports[-1:] == [(subject.new.size,) * 2], "progress does not end at the end")
        await second.end()

    play(subject, story)


def _resumes(declared: Declaration) -> bool:
    return declared.resume is not Resume.NONE


@TABLE.case(_resumes)
def a_transfer_goes_on_where_the_link_was_lost(subject: Subject) -> None:
    """By itself or in the next session, it does not begin anew."""
    _little_was_resent(subject, play(subject, _in_the_end, cut=(_most_of_it(subject), False)))


@TABLE.case(lambda declared: declared.resume is Resume.SURVIVES_RESET)
def a_transfer_goes_on_where_the_node_lost_power(subject: Subject) -> None:
    """By itself or in the next session, it does not begin anew."""

    async def count(bench: Bench) -> int:
        lease = bench.lease()
        await lease.enter_loader()
        await lease.transfer(subject.new)
        return bench.node.operations

    last = play(subject, count)

    async def story(bench: Bench) -> int:
        bench.node.cut_power_at(last, off_for=None)
        return await _in_the_end(bench)

    _little_was_resent(subject, play(subject, story))


def _little_was_resent(subject: Subject, sent: int) -> None:
    more = sent - subject.new.size
    require(
        more <= _MOST_RESENT * subject.new.size,
        f"{more} of {subject.new.size} bytes were sent again, though most had arrived",
    )


async def _in_the_end(bench: Bench) -> int:
    """Transfer until it is through; the image's bytes that were on the line in all."""
    sent = 0
    for _ in range(5):
        lease = bench.lease()
        try:
            await lease.enter_loader()
            await lease.transfer(bench.subject.new)
        except TenderError:
            sent += lease.session.bytes_sent
            await lease.end()
            bench.node.power_on()
            await asyncio.sleep(2)
        else:
            return sent + lease.session.bytes_sent
    raise Failure("five transfers in a row do not get through, though only one was disturbed")


def _most_of_it(subject: Subject) -> int:
    """Bytes, or packets, that have passed until most of the image has arrived."""

    async def story(bench: Bench) -> int:
        carried: list[int] = []

        def told(done: int, total: int) -> None:
            if done >= _ARRIVED * total:
                carried.append(bench.place.carried[0])

        lease = bench.lease()
        lease.session.on_progress = told
        await lease.enter_loader()
        await lease.transfer(subject.new)
        return carried[0]

    return play(subject, story)
