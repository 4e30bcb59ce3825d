"""Do what upstream asks, once, and say what came of it.

A command may come twice: the broker gives it again when the gateway died, or the
connection broke, before it was acknowledged.  The last answers are remembered by
the command's id, and every verb may be done twice without harm.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

from gateway.control import Control
from gateway.model.views import AttemptView, DeploymentView
from gateway.upstream.errors import CommandIdReused, CommandRetained
from gateway.upstream.messages import LIST_MAX, AttemptLine, ResultMessage
from gateway.upstream.requests import (
    Activate,
    Args,
    Cancel,
    CommandEnvelope,
    Handover,
    OfRollout,
    Pause,
    Probe,
    Refresh,
    ReleaseHold,
    ReleaseRecall,
    ReleaseUnhold,
    Resume,
    Rollback,
    TakeOver,
    read_args,
    read_command,
    read_desired,
)
from gateway.upstream.rollouts import DeploymentState
from transports.errors import TenderError

REMEMBERED = 256
"""Answers that are kept for a command that comes again."""
PROBES = 4
"""Looks at nodes that are taken at the same time."""
TOLD_REFUSALS = 20
"""Refusals that become events within a minute: whoever sends rubbish must not fill the journal."""

T = TypeVar("T")
_MINUTE = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """A command that was begun."""

    content: bytes
    answer: asyncio.Task[ResultMessage]


@dataclass(frozen=True, slots=True)
class _Done:
    """What a command came to."""

    attempts: Sequence[AttemptView] = ()
    deployments: Sequence[DeploymentView] = ()


class Answers:
    """Outlives connections: what was begun is finished, whether or not anybody still listens."""

    def __init__(self, control: Control, gateway: str, refresh: Callable[[], Awaitable[None]]) -> None:
        self._control = control
        self._gateway = gateway
        self._refresh = refresh
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._told: deque[bytes] = deque(maxlen=REMEMBERED)
        self._told_at: deque[float] = deque(maxlen=TOLD_REFUSALS)
        self._tasks: set[asyncio.Task[Any]] = set()
        # Commands keep their order; a look at a node, or a release that is being
        # fetched for the desired state, does not keep a cancel waiting.
        self._commands = asyncio.Lock()
        self._desires = asyncio.Lock()
        self._probes = asyncio.Semaphore(PROBES)

    async def desired(self, payload: bytes) -> None:
        """Hand a desired state over; when this returns it is taken, or its refusal is told."""
        await asyncio.shield(self._begin(self._desire(payload)))

    async def command(self, payload: bytes, *, retained: bool) -> ResultMessage | None:
        """Do a command and answer; None if it is not even known what to answer to."""
        try:
            command = read_command(payload)
        except TenderError as error:
            await self._refuse("command", error, payload)
            return None
        if retained:
            kept = CommandRetained()
            await self._refuse(command.verb, kept, payload)
            return self._failed(command, kept)
        content = _digest(payload)
        known = self._known.get(command.id)
        if known is not None and known.content != content:
            return self._failed(command, CommandIdReused(f"{command.id!r} was another command's id"))
        if known is None:
            known = _Known(content, self._begin(self._do(command, payload)))
            self._remember(command.id, known)
        try:
            return await asyncio.shield(known.answer)
        except TenderError:
            # It could not even be written down that it was refused: the next time is a new one.
            self._known.pop(command.id, None)
            raise

    async def close(self) -> None:
        """Give up what is still being done; it was not acknowledged, so it comes again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name="upstream request")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _remember(self, command_id: str, known: _Known) -> None:
        self._known[command_id] = known
        for old in [name for name, each in self._known.items() if each.answer.done()]:
            if len(self._known) <= REMEMBERED:
                break
            del self._known[old]

    async def _desire(self, payload: bytes) -> None:
        if not payload:
            return  # the retained message was cleared: nothing is said about what is wanted
        async with self._desires:
            try:
                desired = read_desired(payload)
                await self._control.desired(desired.revision, desired.requests())
            except TenderError as error:
                await self._refuse("desired", error, payload)
            except Exception as error:  # noqa: BLE001 - a bug that one message meets must not end the others
                _log.exception("desired state failed")
                await self._refuse("desired", _bug(error), payload)

    async def _do(self, command: CommandEnvelope, payload: bytes) -> ResultMessage:
        try:
            args = read_args(command)
        except TenderError as error:
            await self._refuse(command.verb, error, payload)
            return self._failed(command, error)
        try:
            async with self._probes if isinstance(args, Probe) else self._commands:
                done = await self._perform(args, asked_by=f"upstream:{command.id}")
        except TenderError as error:
            return self._failed(command, error)
        except Exception as error:  # noqa: BLE001 - as above
            _log.exception("command=%s verb=%s failed", command.id, command.verb)
            return self._failed(command, _bug(error))
        return ResultMessage(
            gateway=self._gateway,
            id=command.id,
            verb=command.verb,
            ok=True,
            attempts=tuple(map(_line, done.attempts[:LIST_MAX])),
            deployments=tuple(map(DeploymentState.of, done.deployments)),
        )

    async def _perform(self, args: Args, *, asked_by: str) -> _Done:
        match args:
            case Cancel():
                return _Done(await self._control.cancel(args.target, asked_by=asked_by))
            case Rollback():
                return _Done([await self._control.rollback(args.node, asked_by=asked_by)])
            case Probe():
                await self._control.probe(args.node, allow_restart=args.allow_restart)
                return _Done()
            case Refresh():
                await self._refresh()
                return _Done()
            case Handover():
                await self._control.discovery.handover(args.node, args.to, asked_by=asked_by)
                return _Done()
            case TakeOver():
                await self._control.discovery.claim(args.node, over=True, asked_by=asked_by)
                return _Done()
            case _:
                return await self._of_rollout(args, asked_by=asked_by)

    async def _of_rollout(self, args: OfRollout, *, asked_by: str) -> _Done:
        verbs = self._control.rollout
        match args:
            case Pause():
                await verbs.pause(args.deployment, asked_by=asked_by, why=args.why)
            case Resume():
                await verbs.resume(args.deployment, asked_by=asked_by)
            case Activate():
                await verbs.activate(args.deployment, asked_by=asked_by)
            case ReleaseHold():
                await verbs.hold(args.release, asked_by=asked_by, why=args.why)
                return _Done()
            case ReleaseUnhold():
                await verbs.unhold(args.release, asked_by=asked_by)
                return _Done()
            case ReleaseRecall():
                told = await verbs.recall(args.release, back=args.back, asked_by=asked_by, why=args.why)
                numbers = (*told.cancelled, *told.going_back.values())
                return _Done([(await self._control.attempt(number)).view for number in numbers])
            case _:
                assert_never(args)
        if args.deployment is None:
            return _Done()
        return _Done(deployments=[await verbs.deployment(args.deployment)])

    async def _refuse(self, verb: str, error: TenderError, payload: bytes) -> None:
        """Tell it in order, as an event: each message once, and not more of them than are read."""
        content = _digest(payload)
        now = asyncio.get_running_loop().time()
        crowded = len(self._told_at) == TOLD_REFUSALS and now - self._told_at[0] < _MINUTE
        _log.info("verb=%s refused=%s %s", verb, error.code, error.message)
        if content in self._told or crowded:
            return
        await self._control.command_refused(verb, error.code, error.message, error.what_to_do)
        self._told.append(content)
        self._told_at.append(now)

    def _failed(self, command: CommandEnvelope, error: TenderError) -> ResultMessage:
        return ResultMessage(
            gateway=self._gateway,
            id=command.id,
            verb=command.verb,
            ok=False,
            code=error.code,
            message=error.message,
            remedy=error.what_to_do,
        )


def _line(view: AttemptView) -> AttemptLine:
    return AttemptLine(attempt=view.id, node=view.node, phase=view.phase, outcome=view.outcome)


def _bug(error: Exception) -> TenderError:
    return TenderError(f"a fault of Tender's own: {type(error).__name__}")


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()
