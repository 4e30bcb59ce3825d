"""Cases about nodes that pull: they ask at any moment, also when nobody is with them."""

import asyncio

from flashers.api import Declaration, Initiative
from flashers.conformance.bench import Bench, play
from flashers.conformance.places import NetworkPlace
from flashers.conformance.rules import Failure, Table, require
from flashers.conformance.subject import Subject
from transports.links import Medium

TABLE = Table()

_MOST = 0.7
_MOST_RESENT = 0.5
"""The share of an image that may be sent again if 0.7 of it had arrived: what was under way counts too."""
_ALONE = 3600.0
"""Seconds for which a node is left alone in mid-image."""
_WAITS = 6 * 3600.0
"""Seconds for which it waits with all of it: the specification has it ask every hour."""


def _pulls(declared: Declaration) -> bool:
    return declared.initiative is Initiative.PULL


@TABLE.case(_pulls, only=Medium.ZIGBEE)
def a_node_in_mid_image_is_never_told_to_give_up(subject: Subject) -> None:
    """By no session that ends under it, nor while nobody is with it; it goes on where it was."""

    async def waited_for(bench: Bench) -> None:
        await _most_of_it(bench)
        await asyncio.sleep(_ALONE)
        again = bench.lease()
        await again.transfer(subject.new)
        more = again.session.bytes_sent - (1 - _MOST) * subject.new.size
        require(
            more <= _MOST_RESENT * subject.new.size,
            f"{more:.0f} of {subject.new.size} bytes were sent again, though most had arrived",
        )
        await again.end()

    async def forgotten(bench: Bench) -> None:
        await _most_of_it(bench)
        _network(bench).open_attempt = False
        await asyncio.sleep(_ALONE)
        require(bench.runs(subject.old), "a node that nobody updates runs something else")
        await bench.lease().bring(subject.new)

    play(subject, waited_for, where="an attempt is open")
    play(subject, forgotten, where="no attempt is open")


@TABLE.case(_pulls, only=Medium.ZIGBEE)
def what_is_complete_waits_until_it_is_started(subject: Subject) -> None:
    """For hours, asked for or not, whether an attempt is open or none."""
    for opened in True, False:

        async def story(bench: Bench, opened: bool = opened) -> None:
            lease = bench.lease()
            await lease.transfer(subject.new)
            await lease.end()
            _network(bench).open_attempt = opened
            await asyncio.sleep(_WAITS)
            require(bench.runs(subject.old), "the image was started, and nobody had said so")
            after = bench.lease()
            await after.activate(subject.new)
            await after.answering()
            await after.end()
            require(await bench.settles_on(subject.new, subject.silence), "the image does not run")

        play(subject, story, where="an attempt is open" if opened else "no attempt is open")


@TABLE.case(_pulls, only=Medium.ZIGBEE)
def what_is_said_unattended_follows_from_the_question_alone(subject: Subject) -> None:
    """It is asked before anything else is known, so it may remember nothing."""

    async def story(bench: Bench) -> None:
        alone = subject.plugin.unattended
        if alone is None:
            raise Failure("a node that pulls may ask at any moment, and `unattended` is left out")
        await _most_of_it(bench)
        await asyncio.sleep(_WAITS)
        questions = _network(bench).questions
        require(questions, "the virtual node asks for nothing, though a part of its image is missing")
        for opened in True, False:
            for asked in questions:
                first, second = alone(asked, opened), alone(asked, opened)
                require(first == second, f"the same question is answered differently: {first}, {second}")
                if first.answer is not None:
                    fits = (first.answer.tsn, first.answer.endpoint) == (asked.tsn, asked.endpoint)
                    require(fits, f"{first.answer} is no answer to {asked}")

    play(subject, story)


async def _most_of_it(bench: Bench) -> None:
    """Serve the node most of an image, and stop as a gateway stops."""
    lease, there = bench.lease(), asyncio.Event()

    def told(done: int, total: int) -> None:
        if done >= _MOST * total:
            there.set()

    lease.session.on_progress = told
    serving = asyncio.ensure_future(lease.transfer(bench.subject.new))
    waiting = asyncio.ensure_future(there.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in serving, waiting:
        task.cancel()
    await asyncio.gather(serving, waiting, return_exceptions=True)
    require(there.is_set(), "most of the image is never there")
    await lease.end()


def _network(bench: Bench) -> NetworkPlace:
    if not isinstance(bench.place, NetworkPlace):
        raise Failure("this case is about a Zigbee network")
    return bench.place
