"""What every flasher has to do, as cases that built-in and other people's flashers pass alike.

In a test module of the plugin's own distribution::

    from flashers.conformance import suite_for

    TestBlink = suite_for("blink", {"speed": 9})

Each case is a test of its own; all of it runs in virtual time against the plugin's
virtual node, and needs nothing but pytest.  :func:`judge` does the same without it.
"""

from flashers.conformance.rules import Case, Failure
from flashers.conformance.session import BenchSession
from flashers.conformance.subject import Subject
from flashers.conformance.suite import CASES, Verdict, cases_for, judge, subject_of, suite_for

__all__ = [
    "CASES",
    "BenchSession",
    "Case",
    "Failure",
    "Subject",
    "Verdict",
    "cases_for",
    "judge",
    "subject_of",
    "suite_for",
]
