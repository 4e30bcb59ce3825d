"""What lists show of a node type, taken from its profile once."""

from dataclasses import dataclass

from flashers.api import Component, RollbackKind
from gateway.service.node_types import NodeTypes
from transports.errors import TenderError

_BEST_FIRST = (
    RollbackKind.BOOTLOADER,
    RollbackKind.SLOT_SWITCH,
    RollbackKind.REFLASH,
    RollbackKind.RESTORE,
)


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """Components, the best way back that such a node can have, and what is wrong with the profile."""

    components: tuple[Component, ...] = ()
    rollback: RollbackKind = RollbackKind.NONE
    trouble: str = ""


class Shapes:
    """Facts by profile name; a profile that cannot be used has its trouble as a fact."""

    def __init__(self, node_types: NodeTypes) -> None:
        self._types = node_types
        self._known: dict[str, TypeFacts] = {}

    def __call__(self, profile: str) -> TypeFacts:
        """The facts; never raises."""
        if profile not in self._known:
            self._known[profile] = self._make(profile)
        return self._known[profile]

    def _make(self, name: str) -> TypeFacts:
        try:
            node_type = self._types.get(name)
        except TenderError as error:
            return TypeFacts(trouble=f"{error.message}  {error.what_to_do}")
        kinds = node_type.declaration.rollback
        if node_type.profile.rollback is not None:
            kinds &= set(node_type.profile.rollback)
        best = next((kind for kind in _BEST_FIRST if kind in kinds), RollbackKind.NONE)
        return TypeFacts(tuple(table.value() for table in node_type.profile.components), best)
