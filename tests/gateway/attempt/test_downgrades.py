"""What is learned of nodes that may not take an older image, and what it leads to."""

from dataclasses import replace

import pytest

from flashers.api import Digest, Firmware, FirmwareImage, Role, RollbackKind, Seen, Slot
from gateway.attempt.downgrades import goes_down, learned_of, no_way_back_to_older, older_taken, refusals
from gateway.model.outcomes import Direction, Outcome
from gateway.model.records import Record, Result, Target
from tests.gateway.attempt.cases import BACK, pulled
from tests.matrix.world import NoWays

SEEN = Seen(Role.APP, (Slot(0, 0, Firmware(version="20"), True, True),), facts={"model": "TS011F"})


class Tried(NoWays):
    """What was tried before, by (profile, model, the version that ran)."""

    def __init__(self, **taken: bool) -> None:
        self._taken = taken

    async def took_older(self, profile: str, model: str, version: str) -> bool | None:
        """As in the contract."""
        assert (profile, model) == ("p", "TS011F")
        return self._taken.get(f"on_{version}")


def _image(version: str) -> FirmwareImage:
    return FirmwareImage("raw", Digest.sha256(version.encode()), Firmware(version=version), ())


def _goods(version: str) -> dict[str, Target]:
    return {"app": Target(Digest.sha256(version.encode()), Firmware(version=version), 1, "raw")}


def _ended(record: Record, outcome: Outcome, *, want: str, before: str, good: str | None = None) -> Record:
    (part,) = record.parts
    target = replace(part.want, firmware=Firmware(version=want))
    known = _goods(good)["app"] if good is not None else None
    part = replace(part, want=target, before=Firmware(version=before), known_good=known)
    return replace(record, parts=(part,), result=Result(outcome))


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FLASHED])
def test_a_node_that_ends_on_an_older_target_took_it_while_its_newer_one_ran(outcome: Outcome) -> None:
    ended = _ended(pulled(touched=True), outcome, want="10", before="20")
    assert list(older_taken(ended)) == [Firmware(version="20")]


def test_an_update_that_goes_up_or_was_there_or_came_to_nothing_says_nothing() -> None:
    assert not list(older_taken(_ended(pulled(touched=True), Outcome.SUCCEEDED, want="20", before="10")))
    assert not list(older_taken(_ended(pulled(touched=True), Outcome.FAILED, want="10", before="20")))
    assert not list(older_taken(_ended(pulled(), Outcome.ALREADY_THERE, want="10", before="20")))


def test_a_node_that_was_taken_back_by_bytes_took_them_while_the_target_ran() -> None:
    record = replace(pulled(BACK, tried=True), back_kind=RollbackKind.REFLASH)
    ended = _ended(record, Outcome.ROLLED_BACK, want="20", before="10", good="10")
    assert list(older_taken(ended)) == [Firmware(version="20")]


def test_a_node_whose_loader_took_the_target_back_says_nothing() -> None:
    record = replace(pulled(BACK, tried=True), back_kind=RollbackKind.BOOTLOADER)
    assert record.direction is Direction.BACK
    assert not list(older_taken(_ended(record, Outcome.ROLLED_BACK, want="20", before="10", good="10")))


async def test_a_target_that_such_nodes_are_known_not_to_take_is_refused_with_its_reason() -> None:
    record = pulled(prepared=False)
    (part,) = record.parts
    (reason,) = await refusals(record, part, _image("10"), SEEN, Tried(on_20=False))
    assert reason.code == "downgrade-refused"
    assert "TS011F" in reason.message
    assert "--no-rollback allow" in reason.remedy
    for ways in (Tried(), Tried(on_20=True), Tried(on_10=False)):
        assert not await refusals(record, part, _image("10"), SEEN, ways)
    assert not await refusals(record, part, _image("30"), SEEN, Tried(on_20=False)), "it goes up"
    allowed = pulled(prepared=False, no_rollback="allow")
    assert not await refusals(allowed, part, _image("10"), SEEN, Tried(on_20=False))


async def test_a_way_back_is_judged_by_the_firmware_that_will_run_then() -> None:
    record, images = pulled(prepared=False), {"app": _image("20")}
    assert await learned_of(record, SEEN, images, _goods("10"), Tried(on_20=False)) is False
    assert await learned_of(record, SEEN, images, _goods("10"), Tried(on_20=True)) is True
    assert await learned_of(record, SEEN, images, _goods("10"), Tried(on_10=False)) is None
    assert await learned_of(record, SEEN, images, _goods("30"), Tried(on_20=False)) is None, "it goes up"
    assert goes_down(images, _goods("10"))
    assert not goes_down(images, _goods("20"))
    reason = no_way_back_to_older(record, SEEN, images.values())
    assert reason.code == "downgrade-refused"
    assert "20" in reason.message
