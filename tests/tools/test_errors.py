"""The page of codes says every code there is, each with what to do."""

import re

import pytest

from gateway.cli.main import main
from gateway.support.codes import meaning_of
from tools import errors

FROM_ELSEWHERE = {
    ("gateway.config.findings", "f'{family}-{code}'"),
    ("gateway.config.sources", "f'config-{code}'"),
    ("gateway.profiles.read", "code"),
    ("gateway.profiles.resolve", "f'profile-{code}'"),
    ("gateway.service.adapters.watching", "_CODES[state]"),
    ("gateway.service.seeing.concerns", "outcome.value"),
    ("gateway.service.zigbee.watching", "code"),
    ("gateway.support.checks.nodes", "concern['code']"),
}
"""Places whose codes are put together, or come with what they pass on; see ``BUILT`` and ``SPELLED``."""


def test_every_error_has_a_code_of_its_own_and_a_remedy() -> None:
    by_code: dict[str, list[type]] = {}
    for kind in errors.errors():
        if kind.__name__ in errors.NOT_ONE_CODE:
            continue
        assert kind.code != "internal", f"{kind.__qualname__} has no code"
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind.code), kind
        assert kind.remedy.strip(), f"{kind.__qualname__} has no remedy"
        assert kind.__doc__, kind
        by_code.setdefault(kind.code, []).append(kind)
    for code, kinds in by_code.items():
        of_one_family = all(issubclass(kind, kinds[0]) or issubclass(kinds[0], kind) for kind in kinds)
        assert of_one_family or code in errors.SHARED, f"{code}: {kinds}"


def test_every_place_that_says_a_code_is_understood() -> None:
    unread = {
        (each.module, each.source)
        for each in errors.said()
        if not each.codes and not each.source.endswith(".code")
    }
    assert unread <= FROM_ELSEWHERE


def test_every_code_says_what_is_so_and_what_to_do() -> None:
    found = errors.entries()
    assert len(found) > 200
    assert {code for code, entry in found.items() if not entry.says} == set()
    assert {code for code, entry in found.items() if not entry.remedies} == set()


def test_gates_and_ends_are_on_the_page_as_well_as_errors() -> None:
    found = errors.entries()
    for code in ("link-busy", "parallel-limit", "did-not-boot", "config-unknown-key", "identity-changed"):
        assert code in found
    assert found["did-not-boot"].places == {"gateway.attempt.decide"}


def test_the_page_is_what_the_code_says() -> None:
    assert errors.main(["--check"]) == 0, "run: make docs"


def test_a_code_is_explained_where_no_service_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "link-denied", "--socket", "/nonexistent/sock"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("link-denied\n  We may not open the port.")
    assert "dialout" in said
    assert meaning_of("no-such-code-at-all") is None
    assert main(["explain", "no-such-code-at-all", "--socket", "/nonexistent/sock"]) == 10
