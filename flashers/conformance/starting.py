"""Cases about activation, confirmation and the ways back."""

from flashers.api import (
    Activation,
    Component,
    Declaration,
    Digest,
    ImageMismatch,
    NotSupported,
    RollbackKind,
    Seen,
)
from flashers.conformance.bench import Bench, play
from flashers.conformance.lease import Lease
from flashers.conformance.rules import Failure, Table, require
from flashers.conformance.subject import NEW, Subject, identity_of
from flashers.sim import Behaviour

TABLE = Table()


def _on_trial(declared: Declaration) -> bool:
    return declared.trial_boot


@TABLE.case()
def an_update_ends_with_the_image_running_for_good(subject: Subject) -> None:
    """Looked at from outside, and from inside."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        await lease.bring(subject.new)
        await lease.end()
        require(await bench.settles_on(subject.new, subject.silence), "the node runs something else")
        require(bench.node.truth().confirmed, "a restart would take the image away")
        bench.node.power_off()
        bench.node.power_on()
        require(await bench.settles_on(subject.new, subject.silence), "it does not survive a loss of power")

    play(subject, story)


@TABLE.case()
def activating_what_runs_changes_nothing(subject: Subject) -> None:
    """Verbs are called again after a crash of the host."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        await lease.bring(subject.new)
        written = bench.node.operations
        await lease.activate(subject.new)
        seen = await lease.answering()
        active = seen.active(0)
        require(active is not None and active.confirmed, "the image is on trial again")
        await lease.confirm(identity_of(subject.new))
        await lease.end()
        require(await bench.settles_on(subject.new, subject.silence), "the node runs something else")
        require(bench.node.operations == written, "the flash was written though nothing was to do")

    play(subject, story)


@TABLE.case(lambda declared: declared.activation is Activation.SEPARATE)
def an_image_that_is_nowhere_is_not_activated(subject: Subject) -> None:
    """A named error, and the old image goes on."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        try:
            await lease.activate(subject.new)
        except ImageMismatch:
            await lease.end()
            require(await bench.settles_on(subject.old, subject.silence), "the old image runs no more")
            return
        raise Failure("an image was activated that no slot holds")

    play(subject, story)


@TABLE.case(_on_trial)
def a_new_image_runs_on_trial_until_it_is_confirmed(subject: Subject) -> None:
    """And only the running one can be confirmed."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        seen = await _on_trial_now(bench, lease)
        active = seen.active(0)
        require(active is not None and not active.confirmed, f"it is said to be confirmed: {active}")
        require(not bench.node.truth().confirmed, "the node keeps the image without a confirmation")
        await _refused(lease, identity_of(subject.old))
        await _refused(lease, Digest(identity_of(subject.new).algorithm, bytes(32)))
        require(not bench.node.truth().confirmed, "a wrong confirmation confirmed it")
        await lease.confirm(identity_of(subject.new))
        require(bench.node.truth().confirmed, "a confirmation did nothing")
        await lease.confirm(identity_of(subject.new))
        await lease.end()

    play(subject, story)


@TABLE.case(_on_trial)
def an_image_on_trial_is_taken_back(subject: Subject) -> None:
    """By rollback, and by any restart."""

    async def by_command(bench: Bench) -> None:
        lease = bench.lease()
        await _on_trial_now(bench, lease)
        await lease.rollback()
        active = (await lease.answering()).active(0)
        require(active is not None and active.confirmed, f"it is not back for good: {active}")
        await lease.end()
        require(bench.runs(subject.old), "after its rollback the node does not run the old image")

    async def by_power(bench: Bench) -> None:
        await _on_trial_now(bench, bench.lease())
        bench.node.power_off()
        bench.node.power_on()
        require(await bench.settles_on(subject.old, subject.silence), "a restart does not take it back")

    async def refused(bench: Bench) -> None:
        lease = bench.lease()
        await lease.bring(subject.new)
        await _no_rollback(lease)
        require(bench.runs(subject.new), "a confirmed image was taken back")

    for story in by_command, by_power, refused:
        play(subject, story)


@TABLE.case(_on_trial)
def an_image_that_crashes_is_left_by_itself(subject: Subject) -> None:
    """The trial boot is what protects from it; the flasher has to see that it was taken back."""
    crashing = subject.read(subject.file(NEW, Behaviour.CRASHES))

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        await lease.enter_loader()
        await lease.transfer(crashing)
        await lease.activate(crashing)
        require(await bench.settles_on(subject.old, subject.silence), "the node does not get back by itself")
        active = (await lease.answering()).active(0)
        held = None if active is None else active.firmware
        require(subject.old.firmware.same(held), f"it is back on the old image, and seen with {held}")
        await lease.end()

    play(subject, story)


@TABLE.case(lambda declared: not declared.trial_boot)
def a_rollback_that_was_not_promised_is_refused(subject: Subject) -> None:
    """By the name for it, and without an effect."""

    async def story(bench: Bench) -> None:
        lease = bench.lease()
        await _no_rollback(lease)
        await lease.end()
        require(await bench.settles_on(subject.old, subject.silence), "the old image runs no more")

    play(subject, story)


@TABLE.case(lambda declared: RollbackKind.SLOT_SWITCH in declared.rollback)
def the_old_image_is_still_in_the_other_slot(subject: Subject) -> None:
    """It is activated again without sending a byte."""

    async def story(bench: Bench) -> None:
        first = bench.lease()
        await first.bring(subject.new)
        await first.end()
        second = bench.lease()
        await second.bring(subject.old)
        require(not second.session.bytes_sent, f"{second.session.bytes_sent} bytes were sent for it")
        await second.end()
        require(bench.runs(subject.old), "the old image does not run")
        require(bench.node.truth().confirmed, "the old image is not there for good")

    play(subject, story)


@TABLE.case(lambda declared: RollbackKind.REFLASH in declared.rollback)
def the_old_image_can_be_sent_again(subject: Subject) -> None:
    """As if it were an update."""

    async def story(bench: Bench) -> None:
        first = bench.lease()
        await first.bring(subject.new)
        await first.end()
        second = bench.lease()
        await second.bring(subject.old)
        await second.end()
        require(await bench.settles_on(subject.old, subject.silence), "the old image does not run")

    play(subject, story)


async def _on_trial_now(bench: Bench, lease: Lease) -> Seen:
    await lease.enter_loader()
    await lease.transfer(lease.subject.new)
    await lease.activate(lease.subject.new)
    seen = await lease.answering()
    require(bench.runs(lease.subject.new), "an activated image does not run")
    return seen


async def _refused(lease: Lease, digest: Digest) -> None:
    try:
        await lease.confirm(digest)
    except ImageMismatch:
        return
    raise Failure(f"{Component().id} was confirmed as {digest}, which it does not run")


async def _no_rollback(lease: Lease) -> None:
    try:
        await lease.rollback()
    except NotSupported:
        return
    raise Failure("a rollback is carried out that there cannot be")
