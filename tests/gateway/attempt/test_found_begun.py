"""A node that was found erased, by an attempt that knows nothing of having erased it."""

from dataclasses import replace

from flashers.api import Component, Digest, EvidenceKind, Firmware, Role, RollbackKind, Seen, Slot
from gateway.attempt import advance
from gateway.attempt.decide import decide
from gateway.attempt.steps import Finish, Transfer, TurnBack
from gateway.model.outcomes import Outcome
from gateway.model.records import Observation, Part, Record, Rules, Target, Trouble

RULES = Rules(
    transfer=frozenset({EvidenceKind.READBACK}), boot=frozenset({EvidenceKind.VERSION}), separate=False
)
BARE = Observation(Seen(Role.LOADER, (Slot(0, 0, None, active=True, confirmed=True, bootable=False),)))


def target(word: str) -> Target:
    digest = Digest.sha256(word.encode())
    return Target(digest, Firmware(digest, word), 10, "raw", version=word)


def waiting(known_good: Target | None) -> Record:
    return Record(1, "n", "p", (Part(Component(), target("new"), known_good=known_good),), RULES)


def test_it_is_written_to_the_end_instead_of_being_refused() -> None:
    for known_good in (None, target("old")):
        record = waiting(known_good)
        found = advance.found_begun(record, record.parts)
        assert found.touched
        assert found.rollback is (RollbackKind.REFLASH if known_good else RollbackKind.NONE)
        assert decide(found, BARE) == Transfer("app")


def test_what_cannot_be_written_goes_back_to_the_known_good_or_stays_wounded() -> None:
    final = Trouble("bad-image", "It is no image.")
    record = waiting(target("old"))
    found = replace(advance.found_begun(record, record.parts), error=final)
    assert isinstance(decide(found, BARE), TurnBack)
    record = waiting(None)
    step = decide(replace(advance.found_begun(record, record.parts), error=final), BARE)
    assert isinstance(step, Finish)
    assert step.outcome is Outcome.WOUNDED
