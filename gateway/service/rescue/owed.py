"""Power that was taken, until it is given back: by this process, or for one that is gone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from flashers.api import Reason
from gateway.model.rescue import StepTaken
from transports.errors import TenderError
from transports.power import Circuit, Switch, open_switch

log = logging.getLogger("tender.rescue")

_AGAIN_S = (1.0, 5.0, 15.0)
"""Pauses before power that could not be given is given again, while the step is still under way."""
_EVERY_S = 30.0
"""How often it is tried after that."""
_START_S = 20.0
"""How long a start waits for power that is given again."""

Switches = Callable[[Circuit], Switch]


class Owed:
    """Every step that may have left its nodes off.

    ``paid`` is told of each that was put on outside of its own step.
    """

    def __init__(
        self, paid: Callable[[StepTaken], Awaitable[None]], switches: Switches = open_switch
    ) -> None:
        self._paid = paid
        self._switches = switches
        self._off: dict[int, StepTaken] = {}
        self._some = asyncio.Event()
        self._jobs: set[asyncio.Task[None]] = set()

    def __contains__(self, step: StepTaken) -> bool:
        return step.id in self._off

    def of(self, node: str) -> StepTaken | None:
        """The step that left this node without power, if one did."""
        return next((step for step in self._off.values() if node in (step.node, *step.affects)), None)

    def gate(self, node: str) -> Reason | None:
        """Why no attempt may begin on a node without power."""
        step = self.of(node)
        if step is None:
            return None
        why = step.message.rstrip(".") or "the switch does not answer"
        return Reason(
            "power-off",
            f"The step {step.name} on {step.node} took the power of {node}, and cannot give it again: {why}.",
            f"Switch it on by hand; Tender tries every {_EVERY_S:.0f} s.",
        )

    def came_to(self, step: StepTaken) -> None:
        """What is known of a step by now, if it is still off."""
        if step.id in self._off:
            self._off[step.id] = step

    async def check(self, circuit: Circuit) -> None:
        """See that a switch is there.  Raises PowerError."""
        await self._switches(circuit).check()

    async def cut(self, step: StepTaken, circuit: Circuit, seconds: float) -> None:
        """Off, wait, on; once it may be off, nothing keeps us from trying to put it on.

        Raises:
            PowerError: the switch failed; the step may be off still.
        """
        switch = self._switches(circuit)
        try:
            await surely(switch.off())
            await asyncio.sleep(seconds)
        finally:
            await surely(self._put_on(step, switch))

    async def take_over(self, steps: Iterable[StepTaken]) -> None:
        """Give the power back that an earlier process took."""
        self._off |= {step.id: step for step in steps}
        self._jobs = {asyncio.create_task(self._pay(step)) for step in self._off.values()}
        self._some.set()
        if self._jobs:
            # A command that hangs keeps its nodes waiting, and not the whole gateway.
            _, self._jobs = await asyncio.wait(self._jobs, timeout=_START_S)

    async def keep_trying(self) -> None:
        """Give power that could not be given, for ever; ends only by cancellation.

        Nothing ticks while nobody is owed anything.
        """
        while True:
            await self._some.wait()
            await asyncio.sleep(_EVERY_S)
            for step in list(self._off.values()):
                await self._pay(step)
            if not self._off:
                self._some.clear()

    async def _pay(self, step: StepTaken) -> None:
        try:
            await self._switches(step.circuit or Circuit()).on()
        except TenderError as error:
            log.warning("node=%s step=%s still off: %s", step.node, step.name, error.message)
        except Exception:
            log.exception("node=%s step=%s still off", step.node, step.name)
        else:
            log.info("node=%s step=%s is on again", step.node, step.name)
            if self._off.pop(step.id, None) is not None:
                await self._paid(step)

    async def _put_on(self, step: StepTaken, switch: Switch) -> None:
        self._off[step.id] = step
        self._some.set()
        for pause in (*_AGAIN_S, None):
            try:
                await switch.on()
            except TenderError as error:
                if pause is None:
                    log.warning("node=%s step=%s is left off: %s", step.node, step.name, error.message)
                    raise
                await asyncio.sleep(pause)
            else:
                self._off.pop(step.id, None)
                return


async def surely(work: Coroutine[Any, Any, None]) -> None:
    """Do this to its end, also if the caller is to end meanwhile; then end.

    Raises:
        CancelledError: the caller was cancelled; the work has ended by then.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled() and task.exception() is not None:
            log.warning("left undone while ending: %r", task.exception())
        raise
