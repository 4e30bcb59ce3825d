"""What is true of a node that hangs on trial, in a sentence: never more than the profile vouches for."""

from typing import assert_never

from flashers.api import RollbackKind
from gateway.model.rescue import ResetBy
from gateway.profiles.model import Profile


def way_back(kind: RollbackKind, profile: Profile, *, power_step: bool) -> str:
    """What the way back asks of whom, for a node of this profile.

    That a node reverts by itself is said only where a watchdog, or a loss of power that is
    known to come, really restarts it; for everything else it is said who has to.
    """
    if kind is RollbackKind.NONE:
        return "It cannot be taken back."
    if kind is not RollbackKind.BOOTLOADER:
        return (
            f"Tender takes it back ({kind.value}) while it, or its loader, answers; "
            f"if it hangs {_if_it_hangs(profile, power_step=power_step)}."
        )
    match profile.resets:
        case ResetBy.WATCHDOG:
            return (
                "It reverts by itself: a watchdog restarts what hangs on trial, and its loader takes it back."
            )
        case ResetBy.POWER if profile.power_cycle_every is not None:
            return (
                f"It reverts by itself when its power is cut, every {_span(profile.power_cycle_every)}: "
                "its loader takes an image on trial back then."
            )
        case ResetBy.POWER:
            return (
                "Its loader takes an image on trial back when its power is cut; "
                f"{'a step of its ladder does that' if power_step else 'if it hangs somebody has to'}."
            )
        case ResetBy.GATEWAY:
            return (
                "Its loader takes an image on trial back at a reset; if it hangs Tender has to give it, "
                "and nothing happens while the gateway is gone."
            )
        case ResetBy.NONE:
            return (
                "Its loader takes an image on trial back at a reset; if it hangs "
                f"{_if_it_hangs(profile, power_step=power_step)}."
            )
        case _:
            assert_never(profile.resets)


def _if_it_hangs(profile: Profile, *, power_step: bool) -> str:
    match profile.resets:
        case ResetBy.WATCHDOG:
            return "its watchdog restarts it"
        case ResetBy.GATEWAY:
            return "Tender resets it"
        case ResetBy.POWER | ResetBy.NONE if power_step:
            return "a step of its ladder cuts its power"
        case ResetBy.POWER:
            return "somebody has to cut its power"
        case ResetBy.NONE:
            return "nothing resets it"
        case _:
            assert_never(profile.resets)


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
