"""The suite can fail: what is wrong with a flasher is found by the case that is there for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flashers.conformance import CASES, cases_for, judge, subject_of, suite_for
from tests.flashers.conformance import example_flasher
from tests.flashers.conformance.bad_flashers import DEFECTS, Defect
from tests.flashers.conformance.example_flasher import PLUGIN

NAMES = {case.name for case in CASES}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name.replace(" ", "-"))
def test_a_defect_is_found_by_the_cases_that_are_there_for_it(defect: Defect) -> None:
    assert defect.found_by <= NAMES
    subject = defect.subject
    for case in cases_for(subject):
        if case.name in defect.found_by:
            with pytest.raises(AssertionError):
                case.check(subject)
    assert defect.found_by <= {case.name for case in cases_for(subject)}


def test_every_case_is_failed_by_somebody_here() -> None:
    caught = frozenset().union(*(defect.found_by for defect in DEFECTS))
    assert sorted(NAMES - caught) == []


def test_verdicts_tell_which_sentence_does_not_hold_and_why() -> None:
    (bad,) = (defect for defect in DEFECTS if defect.name == "forgets the last page")
    verdicts = {verdict.case.sentence: verdict.failure for verdict in judge(bad.subject)}
    assert (
        "the node is never brought to the target"
        in verdicts["an update ends with the image running for good"]
    )
    assert verdicts["introduces itself"] == ""


def test_a_suite_has_the_cases_that_are_declared_and_no_others() -> None:
    tests = [name for name in vars(suite_for(PLUGIN)) if name.startswith("test_")]
    assert "test_the_old_image_can_be_sent_again" in tests
    assert "test_an_image_on_trial_is_taken_back" not in tests
    assert tests == [f"test_{case.name}" for case in cases_for(subject_of(PLUGIN))]


def test_a_plugin_is_found_by_its_entry_point() -> None:
    assert subject_of("stk500", {"part": "atmega328p"}).plugin.name == "stk500"
    with pytest.raises(LookupError, match="nobody-has-this"):
        subject_of("nobody-has-this")


def test_somebody_elses_distribution_runs_it_with_two_lines(tmp_path: Path) -> None:
    shutil.copy(example_flasher.__file__, tmp_path / "pagelet_flasher.py")
    (tmp_path / "test_pagelet.py").write_text(
        "from pagelet_flasher import PLUGIN\n"
        "from flashers.conformance import suite_for\n"
        "TestPagelet = suite_for(PLUGIN)\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    count = len(cases_for(subject_of(PLUGIN)))
    assert f"{count} passed" in result.stdout, result.stdout + result.stderr
