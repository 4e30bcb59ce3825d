"""Is the target well on this node?  The checks that a profile can name.

Each answers with None, or with what is wrong; what it cannot ask because the link or
the node went away it raises, and then there is no verdict.
"""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from flashers.api import Flasher, NodeSilent, NotSupported, Probe, ProbeCost, Seen
from flashers.api.errors import PluginBug
from gateway.attempt import facts
from gateway.attempt.hearing import Hearing, data_comes, data_stays
from gateway.attempt.session import HostSession
from gateway.model.records import Record, Trouble
from gateway.profiles.model import (
    CommandCheck,
    ConsoleLineCheck,
    DataSeenCheck,
    DigestCheck,
    HealthCheck,
    HookCheck,
    ProbesCheck,
    ReportsCheck,
    UnchangedCheck,
    VersionCheck,
)
from transports.errors import TenderError

Hook = Callable[["HookContext"], Awaitable[str | None] | str | None]
"""A health hook: None if all is well, else a sentence that says what is not."""

_COMMAND_TRIES = 3
_MEND = "Mend the firmware; `tender attempt show` has what passed on the link."


class ConsoleNotHeard(TenderError):
    """The console was not tapped when the node restarted, so its lines cannot be judged."""

    code = "console-not-heard"
    remedy = "Tender restarts the node once more and listens from before that."
    retryable = True


class TargetGone(TenderError):
    """The node stopped running the target while it was being watched."""

    code = "target-gone"
    remedy = "Tender looks at what it runs now."
    retryable = True


@dataclass(frozen=True, slots=True)
class HookContext:
    """What a health hook is given: the node, and a way to ask it."""

    node: str
    version: str | None
    options: Mapping[str, str | int | float | bool]
    command: Callable[[bytes], Awaitable[bytes]]
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Patient:
    """A node under examination.

    ``heard_from`` is the console's mark from before the restart into the target, or
    None if this process was not listening then.
    """

    record: Record
    seen: Seen
    flasher: Flasher
    session: HostSession
    heard_from: int | None
    hooks: Callable[[str], Hook]
    probe_cost: ProbeCost
    hearing: Hearing | None = None
    reports: Hearing | None = None
    soaking: bool = False
    """Whether it was well before, and is only looked after."""
    judged_by: list[str] = field(default_factory=list)
    """Filled in with what a check rested on, where that is not the same each time."""


async def examine(patient: Patient, checks: tuple[HealthCheck, ...]) -> Trouble | None:
    """Ask every check in turn; the first thing that is wrong is the answer.

    Raises:
        TenderError: a check could not be asked.
    """
    for check in checks:
        wrong = await _ask(patient, check)
        if wrong is not None:
            return Trouble(
                "health-failed", f"{check.kind}: {wrong}", "Mend the firmware; see the attempt's trace."
            )
    return None


def repeatable(checks: tuple[HealthCheck, ...]) -> tuple[HealthCheck, ...]:
    """The checks that make sense again and again while soaking: not those on past text."""
    once = ConsoleLineCheck | ProbesCheck | UnchangedCheck
    return tuple(check for check in checks if not isinstance(check, once))


async def ask_before(flasher: Flasher, checks: tuple[HealthCheck, ...]) -> dict[str, str]:
    """What is to stay as it is, by request; what such a node cannot be asked is left out.

    Raises:
        TenderError: it was not answered.
    """
    found = {}
    for check in checks:
        if isinstance(check, UnchangedCheck):
            try:
                found[check.request] = await _answer(flasher, check)
            except NotSupported:
                continue
    return found


async def look(patient: Patient) -> Seen:
    """Probe the node and make sure that it still runs the target.

    Raises:
        TargetGone: it does not.
    """
    seen = await patient.flasher.probe(Probe(patient.probe_cost))
    if not all(facts.runs_want(patient.record, part, seen) for part in patient.record.parts):
        raise TargetGone
    return seen


async def _ask(patient: Patient, check: HealthCheck) -> str | None:
    match check:
        case VersionCheck():
            return _version(patient)
        case DigestCheck():
            return _digest(patient)
        case ConsoleLineCheck(pattern=pattern, within=within):
            return await _console_line(patient, pattern, within)
        case CommandCheck():
            return await _command(patient, check)
        case ProbesCheck(count=count, over=over):
            return await _probes(patient, count, over)
        case HookCheck():
            return await _hook(patient, check)
        case DataSeenCheck():
            return await _heard(patient, check, patient.hearing, patient.record.data_rate)
        case ReportsCheck():
            return await _reports(patient, check)
        case UnchangedCheck():
            return await _unchanged(patient, check)
        case _:
            assert_never(check)


async def _heard(
    patient: Patient, check: DataSeenCheck | ReportsCheck, hearing: Hearing | None, before: float | None
) -> str | None:
    node = patient.record.node
    if patient.soaking:
        return data_stays(hearing, node, check)
    wrong, rests_on = await data_comes(hearing, node, check, before)
    if rests_on:
        patient.judged_by.append(rests_on)
    return wrong


async def _reports(patient: Patient, check: ReportsCheck) -> str | None:
    before = patient.record.report_rate
    if before == 0:
        if not patient.soaking:
            patient.judged_by.append("reports: not asked, since it did not report before the update either")
        return None
    return await _heard(patient, check, patient.reports, before)


async def _unchanged(patient: Patient, check: UnchangedCheck) -> str | None:
    before = patient.record.answers.get(check.request)
    if before is None:
        patient.judged_by.append(f"unchanged: {check.request!r} is not known from before the update")
        return None
    try:
        after = await _answer(patient.flasher, check)
    except NotSupported as error:
        return f"{check.request!r} was {before[:80]!r}, and now: {error}"
    return None if after == before else f"{check.request!r} was {before[:80]!r}, and is {after[:80]!r}"


async def _answer(flasher: Flasher, check: UnchangedCheck) -> str:
    """What it answers; a frame that was lost is no answer.  Raises NotSupported, NodeSilent."""
    for _ in range(_COMMAND_TRIES - 1):
        try:
            return _text(await flasher.command(check.request.encode(), reply_timeout=check.within))
        except NodeSilent:
            continue
    return _text(await flasher.command(check.request.encode(), reply_timeout=check.within))


def _text(answer: bytes) -> str:
    return answer.decode(errors="replace").strip()


def _version(patient: Patient) -> str | None:
    for part in patient.record.parts:
        slot = facts.active(part, patient.seen)
        found = slot.firmware.version if slot is not None and slot.firmware else None
        want = part.want.firmware
        if want.version is None:
            continue
        if found is None:
            return f"{part.component.id} names no version"
        if not type(want)(version=found).same(type(want)(version=want.version)):
            return f"{part.component.id} says {found}, and {want.version} was flashed"
    return None


def _digest(patient: Patient) -> str | None:
    for part in patient.record.parts:
        slot = facts.active(part, patient.seen)
        found = slot.firmware.identity if slot is not None and slot.firmware else None
        if found is None or found != part.want.firmware.identity:
            return f"{part.component.id} names {found or 'no digest'}"
    return None


async def _console_line(patient: Patient, pattern: str, within: float) -> str | None:
    if patient.heard_from is None:
        raise ConsoleNotHeard
    console = patient.session.lines()
    line = await console.wait_for(re.compile(pattern), since=patient.heard_from, timeout=within)
    return None if line is not None else f"no line like {pattern!r} within {within:g} s"


async def _command(patient: Patient, check: CommandCheck) -> str | None:
    answers: list[str] = []
    for _ in range(_COMMAND_TRIES):
        try:
            answer = await patient.flasher.command(check.request.encode(), reply_timeout=check.within)
        except NodeSilent as error:
            answers.append(f"not answered: {error}")
            continue
        text = answer.decode(errors="replace").strip()
        if re.search(check.expect, text):
            return None
        # A byte that was bent on the line is no verdict; the same answer twice is one.
        if (wrong := f"answered {text[:80]!r}") in answers:
            break
        answers.append(wrong)
    return f"{check.request!r} was {answers[-1]}"


async def _probes(patient: Patient, count: int, over: float) -> str | None:
    pause = over / max(count - 1, 1)
    for number in range(count):
        if number:
            await asyncio.sleep(pause)
        await look(patient)
    return None


async def _hook(patient: Patient, check: HookCheck) -> str | None:
    want = patient.record.parts[0].want.firmware

    async def command(request: bytes) -> bytes:
        return await patient.flasher.command(request, reply_timeout=check.within)

    lines = [] if patient.heard_from is None else patient.session.lines().lines_since(patient.heard_from)
    context = HookContext(patient.record.node, want.version, check.options, command, lines)
    try:
        async with asyncio.timeout(check.within):
            answer = patient.hooks(check.name)(context)
            return await answer if inspect.isawaitable(answer) else answer
    except TimeoutError:
        return f"the hook {check.name} gave no verdict within {check.within:g} s"
    except TenderError:
        raise
    except Exception as error:
        raise PluginBug(f"the health hook {check.name} raised {error!r}") from error
