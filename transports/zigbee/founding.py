"""Whether a coordinator may be used for a network, and what has to be done with it first.

A coordinator keeps its network by itself.  What it holds is compared with what our database says
of the network: a stick that was swapped, or that another program has formed anew, is told in words
and never overwritten, since every node of the other network would be lost with it.
"""

from dataclasses import dataclass
from enum import StrEnum

from transports.zigbee.errors import NetworkTrouble


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a network that network: nodes stay in it while these are as they were."""

    extended_pan_id: str
    key: str
    coordinator: str

    def is_same(self, other: "Identity") -> bool:
        """The same to its nodes; its coordinator may be another one that took it over."""
        return (self.extended_pan_id, self.key) == (other.extended_pan_id, other.key)


class Found(StrEnum):
    """What is to be done."""

    FORM = "form"
    """Neither of us has a network: make one."""
    RESUME = "resume"
    """The coordinator holds ours."""
    ADOPT = "adopt"
    """The coordinator holds one, and we know of none: it is ours from now on."""


def judge(name: str, holds: Identity | None, ours: Identity | None) -> Found:
    """What is to be done with a coordinator.

    Args:
        name: the network's name in the configuration.
        holds: what the coordinator holds; None is nothing.
        ours: what our database says; None is nothing.

    Raises:
        NetworkTrouble: the two are of different networks, or the coordinator forgot ours.
    """
    if holds is None:
        if ours is None:
            return Found.FORM
        raise NetworkTrouble(
            f"the coordinator holds no network, and {name!r} is {ours.extended_pan_id} "
            f"(coordinator {ours.coordinator})",
            remedy=f"Put it onto this coordinator with `tender zigbee backup restore {name}`, "
            "or plug in the one that holds it.",
        )
    if ours is None:
        return Found.ADOPT
    if holds.is_same(ours):
        return Found.RESUME
    raise NetworkTrouble(
        f"the coordinator {holds.coordinator} holds another network ({holds.extended_pan_id}) "
        f"than {name!r} ({ours.extended_pan_id}, coordinator {ours.coordinator})",
        remedy="Plug in the right coordinator, or correct `path`. To give up what this one holds: "
        f"`tender zigbee backup restore {name}`. To go on with what it holds: give it a name of its own "
        "under [networks].",
    )
