"""What is stored comes back as it was."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import (
    Component,
    ComponentKind,
    Digest,
    Evidence,
    EvidenceKind,
    Firmware,
    Of,
    Reason,
    RollbackKind,
    Stamp,
)
from flashers.api.plain import BadRecord, dump, load
from gateway.attempt import advance
from gateway.attempt.steps import (
    Activate,
    CheckHealth,
    Confirm,
    Judge,
    Prepare,
    Restart,
    Revert,
    Step,
    Transfer,
    TurnBack,
)
from gateway.model.outcomes import CancelReason, Direction, Origin, Outcome, Phase, Verdict
from gateway.model.records import Bounds, Part, Record, Result, Rules, Target, Trouble
from tests.gateway.attempt.cases import BUSY, SICK, swap

texts = st.text(max_size=8)
digests = st.builds(Digest, st.sampled_from(["sha256", "sha512"]), st.binary(min_size=1, max_size=64))
firmwares = st.builds(Firmware, st.none() | digests, st.none() | texts)
kinds = st.frozensets(st.sampled_from(EvidenceKind))
stamps = st.builds(Stamp, st.integers(0, 2**53), st.booleans())
troubles = st.builds(Trouble, texts, texts, texts, st.booleans())
evidence = st.tuples(
    st.builds(Evidence, st.sampled_from(Of), st.sampled_from(EvidenceKind), texts, st.none() | stamps)
)
targets = st.builds(
    Target, digests, firmwares, st.integers(0, 2**32), texts, st.none() | texts, texts, st.none() | texts
)
components = st.builds(Component, texts, st.sampled_from(ComponentKind), st.integers(0, 9))
parts = st.builds(Part, components, targets, st.none() | firmwares, st.none() | targets)
rules = st.builds(
    Rules,
    transfer=kinds,
    boot=kinds,
    separate=st.booleans(),
    trial_boot=st.booleans(),
    boot_deadline=st.floats(0, 1e6),
    soak_after=st.floats(0, 1e6),
    bounds=st.builds(Bounds, st.integers(0, 9), st.integers(0, 9)),
)
results = st.builds(
    Result,
    outcome=st.sampled_from(Outcome),
    code=texts,
    rollback=st.sampled_from(RollbackKind),
    after=st.dictionaries(texts, st.none() | firmwares, max_size=2),
    evidence=evidence,
    reasons=st.tuples(st.builds(Reason, texts, texts, texts)),
    at=st.none() | stamps,
)
records = st.builds(
    Record,
    id=st.integers(0, 2**53),
    node=texts,
    profile=texts,
    parts=st.lists(parts, min_size=1, max_size=2).map(tuple),
    rules=rules,
    deployment=st.none() | texts,
    origin=st.sampled_from(Origin),
    phase=st.sampled_from(Phase),
    prepared=st.booleans(),
    rollback=st.sampled_from(RollbackKind),
    touched=st.booleans(),
    direction=st.sampled_from(Direction),
    turned=st.none() | troubles,
    back_kind=st.sampled_from(RollbackKind),
    activations=st.integers(0, 9),
    verdict=st.sampled_from(Verdict),
    verdict_why=st.none() | troubles,
    cancel=st.none() | st.sampled_from(CancelReason),
    starts=st.dictionaries(texts, st.integers(0, 9), max_size=3),
    error=st.none() | troubles,
    evidence=evidence,
    created=st.none() | stamps,
    seconds=st.floats(0, 1e6),
    recovers=st.none() | st.integers(0, 9),
    result=st.none() | results,
)


STEPS: list[Step] = [
    Prepare(),
    Transfer("app"),
    Transfer("app", back=True),
    Activate(("app", "net")),
    Activate(("app", "net"), back=True),
    CheckHealth(),
    Confirm("app"),
    Revert(),
    Restart(),
    Judge(Verdict.FAILED, SICK),
    TurnBack(SICK),
]


@given(records)
def test_a_record_comes_back_from_the_journal_as_it_went_in(record: Record) -> None:
    assert load(Record, dump(record)) == record


@given(records, st.sampled_from(STEPS))
def test_whatever_a_record_becomes_can_be_stored(record: Record, step: Step) -> None:
    becomes: list[Callable[[Record, Step], Record]] = [
        advance.begin,
        advance.succeed,
        lambda r, s: advance.fail(r, s, BUSY, mark=1),
    ]
    for become in becomes:
        after = become(record, step)
        assert load(Record, dump(after)) == after


def test_what_was_stored_with_another_shape_is_refused() -> None:
    with pytest.raises(BadRecord):
        load(Record, dump(swap()).replace('"node":', '"knot":'))
