"""What a script is told by `tender flash`."""

import pytest

from flashers.api import RollbackKind
from gateway.flashing.report import exit_code
from gateway.model.outcomes import EXIT_CODES, Outcome
from gateway.model.records import Result


@pytest.mark.parametrize("outcome", Outcome)
def test_accepting_proved_bytes_makes_nothing_else_good(outcome: Outcome) -> None:
    result = Result(outcome)
    assert exit_code(result, accept_readback=False) == EXIT_CODES[outcome]
    assert exit_code(result, accept_readback=True) == (
        0 if outcome is Outcome.FLASHED else EXIT_CODES[outcome]
    )


def test_bytes_of_the_known_good_are_not_what_was_asked_for() -> None:
    back = Result(Outcome.FLASHED, rollback=RollbackKind.REFLASH)
    assert exit_code(back, accept_readback=True) == EXIT_CODES[Outcome.FLASHED]
