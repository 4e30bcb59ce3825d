"""What a node's answer establishes, case by case: nothing is invented."""

import pytest

from flashers.api import Component, Digest, Evidence, EvidenceKind, Firmware, Of, Role, Seen, Slot
from gateway.model.records import Rules, Target
from gateway.service.rebuilding.judging import Known, judge, outdated
from gateway.service.rebuilding.remembered import Remembered, read_remembered

APP = Component()
BOOTS = Rules(transfer=frozenset({EvidenceKind.READBACK}), boot=frozenset({EvidenceKind.VERSION}))
MUTE = Rules(transfer=frozenset({EvidenceKind.READBACK}))


def firmware(word: str, *, version: str | None = None) -> Firmware:
    return Firmware(Digest.sha256(word.encode()), version or word)


def target(word: str) -> Target:
    return Target(Digest.sha256(f"file of {word}".encode()), firmware(word), 10, "raw", version=word)


def seen(
    runs: Firmware | None,
    *,
    role: Role = Role.APP,
    boot: bool = True,
    confirmed: bool = True,
    bootable: bool = True,
) -> Seen:
    evidence = [Evidence(Of.TRANSFER, EvidenceKind.READBACK)] if runs is not None and runs.identity else []
    evidence += [Evidence(Of.BOOT, EvidenceKind.VERSION)] if boot else []
    slot = Slot(0, 0, runs, active=True, confirmed=confirmed, bootable=bootable)
    return Seen(role, (slot,), tuple(evidence))


OLD, NEW = target("old"), target("new")
OFFERED = {"app": [OLD, NEW]}
BARE = seen(None, role=Role.LOADER, boot=False)


@pytest.mark.parametrize(
    ("answer", "rules", "word", "why"),
    [
        (seen(OLD.firmware), BOOTS, "established", None),
        (seen(firmware("other")), BOOTS, "unknown", "not-in-a-release"),
        (seen(Firmware(None, "old")), BOOTS, "unknown", "not-in-a-release"),
        (seen(firmware("half", version="old")), BOOTS, "unknown", "not-in-a-release"),
        (seen(OLD.firmware, confirmed=False), BOOTS, "unknown", "not-proved"),
        (seen(OLD.firmware, boot=False), BOOTS, "unknown", "not-proved"),
        (seen(OLD.firmware, role=Role.LOADER, boot=False), BOOTS, "unknown", "not-proved"),
        (seen(OLD.firmware, boot=False), MUTE, "established", None),
        (seen(OLD.firmware, bootable=False), BOOTS, "unknown", "not-in-a-release"),
        (Seen(Role.LOADER), BOOTS, "unknown", "not-in-a-release"),
    ],
    ids=[
        "runs what is in a release",
        "runs what is in none",
        "says the version alone",
        "prints the version, holds other bytes",
        "runs it on trial",
        "holds it, and was not heard to run",
        "holds it, in its loader",
        "cannot be heard, and holds it",
        "holds what does not boot",
        "shows no slot",
    ],
)
def test_a_known_good_is_what_a_node_is_proved_to_run_and_a_release_has(
    answer: Seen, rules: Rules, word: str, why: str | None
) -> None:
    finding = judge(answer, rules, [APP], OFFERED, Known())
    assert finding.known_good == {"app": word}
    assert finding.established == ({"app": OLD} if word == "established" else {})
    assert [reason.code for reason in finding.reasons] == ([why] if why is not None else [])
    assert all(reason.message and reason.remedy for reason in finding.reasons)
    assert not finding.bare


def test_a_known_good_that_was_proved_here_is_kept() -> None:
    finding = judge(seen(NEW.firmware), BOOTS, [APP], OFFERED, Known({"app": OLD}))
    assert (finding.known_good, finding.established) == ({"app": "kept"}, {})


@pytest.mark.parametrize(
    ("known", "bare"),
    [
        (Known(), False),
        (Known(last=seen(OLD.firmware)), True),
        (Known(last=seen(OLD.firmware, role=Role.LOADER, boot=False)), False),
        (Known(remembered=Remembered("p", "l", proved=True)), True),
        (Known(remembered=Remembered("p", "l", unsettled=True)), True),
        (Known(remembered=Remembered("p", "l")), False),
    ],
    ids=["never seen", "ran", "never ran", "was told to run", "was told to be written", "was told of"],
)
def test_a_node_runs_nothing_only_if_it_ran_before(known: Known, bare: bool) -> None:
    assert judge(BARE, BOOTS, [APP], OFFERED, known).bare is bare
    assert not judge(BARE, MUTE, [APP], OFFERED, known).bare, "nobody can hear whether it runs"
    assert not judge(seen(OLD.firmware), BOOTS, [APP], OFFERED, known).bare


def test_a_bare_node_is_led_to_its_known_good_or_to_what_upstream_remembers_of_it() -> None:
    ran = seen(OLD.firmware)
    assert judge(BARE, BOOTS, [APP], OFFERED, Known({"app": NEW}, ran)).way_on == {"app": NEW}
    told = Remembered("p", "l", proved=True, known_good={"app": firmware("old")})
    assert judge(BARE, BOOTS, [APP], OFFERED, Known(remembered=told)).way_on == {"app": OLD}
    other = Remembered("p", "l", proved=True, known_good={"app": firmware("never released")})
    finding = judge(BARE, BOOTS, [APP], OFFERED, Known(remembered=other))
    assert finding.way_on == {}
    assert [reason.code for reason in finding.reasons] == ["runs-nothing"]


@pytest.mark.parametrize(
    ("then", "now", "is_so"),
    [("old", "old", False), ("old", "new", False), ("old", "newer", True), (None, "newer", False)],
)
def test_an_attempt_is_outdated_if_somebody_brought_the_node_elsewhere_since(
    then: str | None, now: str, is_so: bool
) -> None:
    known = Known(last=seen(firmware(then)) if then is not None else None)
    wants = {"app": firmware("new")}
    assert outdated(seen(firmware(now)), BOOTS, [APP], wants, known) is is_so
    assert not outdated(BARE, BOOTS, [APP], wants, known), "it is to be brought through"


@pytest.mark.parametrize("state", [{}, {"profile": 1}, {"profile": "p", "link": "l", "components": [{}]}, []])
def test_a_retained_state_that_nobody_understands_is_none(state: object) -> None:
    assert read_remembered(state) is None  # type: ignore[arg-type] # what a broker holds may be anything
