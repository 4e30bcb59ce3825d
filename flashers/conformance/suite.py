"""The whole suite, as a class that pytest collects or as a list of verdicts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flashers.api import FlasherPlugin, Params
from flashers.conformance import declared, dying, looking, manners, pulling, sending, starting
from flashers.conformance.rules import Case, Failure
from flashers.conformance.subject import Subject, installed

CASES: tuple[Case, ...] = (
    *declared.TABLE.cases,
    *looking.TABLE.cases,
    *sending.TABLE.cases,
    *starting.TABLE.cases,
    *dying.TABLE.cases,
    *pulling.TABLE.cases,
    *manners.TABLE.cases,
)
"""Every sentence about every flasher."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a case ended; ``failure`` is empty where it holds."""

    case: Case
    failure: str = ""


def subject_of(
    plugin: FlasherPlugin | str, params: Params | Mapping[str, Any] | None = None, **traits: Any
) -> Subject:
    """What is to be judged.

    Args:
        plugin: the plugin, or the name of its entry point.
        params: its settings, or the table of them as a profile has it.
        traits: the other fields of :class:`~flashers.conformance.subject.Subject`.
    """
    found = installed(plugin) if isinstance(plugin, str) else plugin
    settings = params if isinstance(params, Params) else found.params.model_validate(dict(params or {}))
    return Subject(found, settings, **traits)


def cases_for(subject: Subject) -> list[Case]:
    """The cases that hold for what this subject declares."""
    said = subject.declared
    leads = subject.leads
    return [case for case in CASES if case.applies(said) and case.only in (None, leads)]


def judge(subject: Subject) -> Iterator[Verdict]:
    """Every case's verdict, one after the other."""
    for case in cases_for(subject):
        try:
            case.check(subject)
        except Failure as failure:
            yield Verdict(case, str(failure))
        except Exception as error:  # noqa: BLE001 - whatever ends a case has failed it
            yield Verdict(case, repr(error))
        else:
            yield Verdict(case)


def suite_for(
    plugin: FlasherPlugin | str, params: Params | Mapping[str, Any] | None = None, **traits: Any
) -> type:
    """A class with one test for each case; name it ``Test…`` in a module that pytest collects.

    The arguments are those of :func:`subject_of`.
    """
    subject = subject_of(plugin, params, **traits)
    tests = {f"test_{case.name}": _test(case, subject) for case in cases_for(subject)}
    return type("Conformance", (), {"__doc__": f"{subject.plugin.name} does what a flasher has to.", **tests})


def _test(case: Case, subject: Subject) -> Any:
    def test(self: object) -> None:
        del self
        case.check(subject)

    test.__name__ = f"test_{case.name}"
    test.__doc__ = case.check.__doc__
    return test
