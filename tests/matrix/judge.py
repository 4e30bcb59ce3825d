"""Is what was said true of the node, was nothing unsafe done, and did it come to an end?"""

from collections.abc import Sequence

from flashers.api import Truth
from gateway.model.outcomes import Outcome, Verdict
from tests.matrix.world import Ended, World

PROVED = frozenset({Outcome.SUCCEEDED, Outcome.ALREADY_THERE, Outcome.ROLLED_BACK, Outcome.FAILED})


def judge(world: World, ended: Ended, *, fate: str, may_end: Sequence[Outcome]) -> None:
    """Raise AssertionError with the run's fate in it if anything is wrong.

    Args:
        world: as the run left it.
        ended: what came of it.
        fate: what was made to happen, to run it again.
        may_end: the outcomes that are acceptable of the last attempt.
    """
    last = ended.last.result
    assert last is not None, fate
    where = f"{fate}: {[str(o) for o in ended.outcomes]} {last.code} {world.node.truth()}"
    _true(world, ended, where)
    _told(ended, where)
    assert last.outcome in may_end, where


def _true(world: World, ended: Ended, where: str) -> None:
    result, truth = ended.last.result, world.node.truth()
    assert result is not None
    match result.outcome:
        case Outcome.SUCCEEDED:
            assert _runs(world, truth, want=True), where
            assert truth.confirmed, where
            assert ended.last.verdict is Verdict.PASSED, where
        case Outcome.ROLLED_BACK | Outcome.FAILED | Outcome.CANCELLED:
            assert _runs(world, truth, want=False), where
        case Outcome.FLASHED:
            assert truth.bootable, where
        case Outcome.WOUNDED:
            pass  # it says of itself that nothing is proved
        case _:
            raise AssertionError(f"{where}: not an end of these worlds")


def _runs(world: World, truth: Truth, *, want: bool) -> bool:
    target = world.want if want else world.old
    return truth.running.get(0) == target.firmware.identity


def _told(ended: Ended, where: str) -> None:
    """Each attempt has exactly one end, and nothing of it comes after that."""
    for record in ended.records:
        mine = [kind for kind, attempt, _ in ended.kinds if attempt == record.id]
        assert mine.count("attempt.done") == 1, where
        assert mine[-1] == "attempt.done", where
        assert record.result is not None, where
        said = [
            outcome
            for kind, attempt, outcome in ended.kinds
            if kind == "attempt.done" and attempt == record.id
        ]
        assert said == [record.result.outcome.value], where
