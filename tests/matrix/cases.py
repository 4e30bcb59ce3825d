"""Which images are sent to which nodes, and the ends that are right for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flashers.sim import Behaviour
from gateway.model.outcomes import Outcome
from tests.matrix import families
from tests.matrix.families import Family

SUCCEEDED = frozenset({Outcome.SUCCEEDED})
THERE = frozenset({Outcome.ALREADY_THERE})
FLASHED = frozenset({Outcome.FLASHED})
BACK = frozenset({Outcome.ROLLED_BACK, Outcome.FAILED})
REFUSED = frozenset({Outcome.REFUSED})
WOUNDED = frozenset({Outcome.WOUNDED})
OTHERS = frozenset({Outcome.CHANGED_BY_OTHERS})


@dataclass(frozen=True, eq=False)
class Case:
    """An image, or one for each component, on a node of a family.

    ``ends`` are the outcomes that the last attempt may have, whatever happened on the
    way; ``options`` further traits of the node; ``there`` that it runs the target already.
    """

    name: str
    family: Family
    behaviours: tuple[Behaviour, ...]
    ends: frozenset[Outcome]
    options: Mapping[str, str] = field(default_factory=dict)
    there: bool = False
    holds: int = 0
    """So often it is kept from starting its target, once that is staged."""

    def __str__(self) -> str:
        return f"{self.family.name}/{self.name}"

    def behaviour(self, number: int) -> Behaviour:
        """That of the component with this image number."""
        return self.behaviours[number % len(self.behaviours)]


def _cases(family: Family, ends: Mapping[Behaviour, frozenset[Outcome]]) -> list[Case]:
    return [Case(str(behaviour), family, (behaviour,), end) for behaviour, end in ends.items()]


_GOOD_AND_BAD = {Behaviour.HEALTHY: SUCCEEDED, Behaviour.UNHEALTHY: BACK}
_WORSE = dict.fromkeys((Behaviour.CRASHES, Behaviour.HANGS, Behaviour.CONFIRMS_EARLY, Behaviour.LIES), BACK)
_ALL = _GOOD_AND_BAD | _WORSE

_UNREACHABLE = {Behaviour.CRASHES: WOUNDED, Behaviour.HANGS: WOUNDED}
"""Who takes no image but in its application, and has lost it, is for the bench."""

_UNTELLABLE = {Behaviour.LIES: OTHERS}
"""Where nothing is left of the old image, a third name may as well be somebody's third image."""

_KEPT = {Behaviour.CONFIRMS_EARLY: WOUNDED | BACK}
"""The highest version runs; once it has confirmed itself nothing older will be started any more."""

_TOLD_BY_VERSION = {Behaviour.HEALTHY: SUCCEEDED, Behaviour.CRASHES: WOUNDED}
"""Nodes that say nothing but a version, and take no package but by their application's leave."""

_ONLY_GOOD = {Behaviour.HEALTHY: SUCCEEDED}
_GONE_BACK = _ONLY_GOOD | {Behaviour.CRASHES: BACK, Behaviour.HANGS: BACK}
"""Where a loader takes back whatever does not come up."""

_REFUSES = {"reject": "boot"}
_HEALTHY = (Behaviour.HEALTHY,)

CASES: dict[str, Case] = {
    str(case): case
    for case in (
        *_cases(families.STK500_LINE, _ALL),
        Case("rejected", families.STK500_LINE, _HEALTHY, REFUSED, {"wrong-signature": "1e9406"}),
        Case("bent-once", families.STK500_LINE, _HEALTHY, SUCCEEDED, {"flip-bit": "2"}),
        Case("there", families.STK500_LINE, _HEALTHY, THERE, there=True),
        *_cases(families.STK500_MUTE, dict.fromkeys((Behaviour.HEALTHY, Behaviour.CRASHES), FLASHED)),
        *_cases(families.STK500_RESTORE, _GOOD_AND_BAD | {Behaviour.HANGS: BACK}),
        *_cases(families.SWAP, _GOOD_AND_BAD),
        Case("rejected", families.SWAP, _HEALTHY, BACK, _REFUSES),
        Case("rejected-by-server", families.SWAP, _HEALTHY, BACK, {"reject": "pending"}),
        Case("there", families.SWAP, _HEALTHY, THERE, there=True),
        Case("held", families.SWAP, _HEALTHY, SUCCEEDED, holds=2),
        *_cases(families.SWAP_SMALL, _WORSE),
        Case("held-unhealthy", families.SWAP_SMALL, (Behaviour.UNHEALTHY,), BACK, holds=1),
        *_cases(families.SWAP_BARE, {Behaviour.HEALTHY: SUCCEEDED, Behaviour.HANGS: BACK}),
        Case("bitten", families.SWAP_BARE, (Behaviour.HANGS,), BACK, {"watchdog": "2"}),
        *_cases(families.SWAP_PAIR, {Behaviour.HEALTHY: SUCCEEDED}),
        Case("first-unhealthy", families.SWAP_PAIR, (Behaviour.UNHEALTHY, Behaviour.HEALTHY), BACK),
        Case("second-unhealthy", families.SWAP_PAIR, (Behaviour.HEALTHY, Behaviour.UNHEALTHY), BACK),
        Case("second-crashes", families.SWAP_PAIR, (Behaviour.HEALTHY, Behaviour.CRASHES), BACK),
        Case("rejected", families.SWAP_PAIR, _HEALTHY, BACK, _REFUSES),
        Case("held", families.SWAP_PAIR, _HEALTHY, SUCCEEDED, holds=1),
        Case("held", families.OVERWRITE, _HEALTHY, SUCCEEDED, holds=1),
        *_cases(families.OVERWRITE, _ALL | _UNREACHABLE | _UNTELLABLE),
        Case("rejected", families.OVERWRITE, _HEALTHY, BACK, _REFUSES),
        *_cases(families.XIP_REVERT, _ALL | _KEPT),
        *_cases(families.RECOVERY, _ALL | _UNTELLABLE),
        *_cases(families.BLE_SWAP, _GOOD_AND_BAD),
        Case("rejected", families.BLE_SWAP, _HEALTHY, BACK, _REFUSES),
        *_cases(families.BLE_OVERWRITE, _GOOD_AND_BAD),
        *_cases(families.SECURE, _TOLD_BY_VERSION),
        Case("rejected", families.SECURE, _HEALTHY, BACK, {"refuse": "init"}),
        Case("there", families.SECURE, _HEALTHY, THERE, there=True),
        *_cases(families.SECURE_SINGLE, _TOLD_BY_VERSION),
        *_cases(families.LEGACY, _TOLD_BY_VERSION),
        Case("there", families.LEGACY, _HEALTHY, THERE, there=True),
        *_cases(families.LEGACY_SINGLE, _TOLD_BY_VERSION),
        *_cases(families.ZIGBEE_BLOCKS, _TOLD_BY_VERSION),
        Case("there", families.ZIGBEE_BLOCKS, _HEALTHY, THERE, there=True),
        Case("held", families.ZIGBEE_BLOCKS, _HEALTHY, SUCCEEDED, holds=2),
        Case("bent-once", families.ZIGBEE_BLOCKS, _HEALTHY, SUCCEEDED, {"bent": ""}),
        Case("boots-back", families.ZIGBEE_BLOCKS, _HEALTHY, BACK, {"boots-back": ""}),
        *_cases(families.ZIGBEE_REPORTS, _GOOD_AND_BAD),
        *_cases(families.ZIGBEE_ADVERTISED, {Behaviour.HEALTHY: SUCCEEDED, Behaviour.UNHEALTHY: FLASHED}),
        *_cases(families.ZIGBEE_REVERTS, _GONE_BACK),
        Case("boots-back", families.ZIGBEE_REVERTS, _HEALTHY, BACK, {"boots-back": ""}),
        *_cases(families.ZIGBEE_PAGES, _ONLY_GOOD),
        *_cases(families.ZIGBEE_SLEEPY, _TOLD_BY_VERSION),
        *_cases(families.ZIGBEE_EXTERNAL, _ONLY_GOOD),
        *_cases(families.ZIGBEE_FORGETS, _ONLY_GOOD),
        *_cases(families.ZIGBEE_GIVES_UP, _ONLY_GOOD),
        *_cases(families.ZIGBEE_OLDER, _ONLY_GOOD),
        Case("refused", families.ZIGBEE_OLDER, _HEALTHY, BACK, {"no-old-header": ""}),
    )
}
