"""What an observation means: what `decide` is not asked in so many words."""

import pytest

from flashers.api import EvidenceKind, Firmware
from gateway.attempt import facts
from tests.gateway.attempt.cases import NEW, OLD, swap

NOTHING = frozenset[EvidenceKind]()


@pytest.mark.parametrize(
    ("kind", "tells"),
    [
        (EvidenceKind.COMPUTED_HASH, True),
        (EvidenceKind.READBACK, True),
        (EvidenceKind.REPORTED_HASH, True),
        (EvidenceKind.VERSION, False),
        (EvidenceKind.ANNOUNCE, False),
        (EvidenceKind.NONE, False),
    ],
)
def test_where_a_digest_can_be_had_a_version_is_not_enough(kind: EvidenceKind, *, tells: bool) -> None:
    named = Firmware(version=OLD.version)
    for rules in (
        {"transfer": frozenset({kind}), "boot": NOTHING},
        {"transfer": NOTHING, "boot": frozenset({kind})},
    ):
        record = swap(**rules)
        assert facts.by_identity(record) is tells
        assert facts.same(record, OLD, named) is not tells


def test_unknown_firmware_is_never_the_same() -> None:
    assert not facts.same(swap(), OLD, None)
    assert not facts.same(swap(), None, OLD)
    assert not facts.same(swap(), Firmware(), Firmware())
    assert not facts.same(swap(), OLD, NEW)
    assert facts.same(swap(), OLD, Firmware(OLD.identity, "whatever"))
