"""Profiles joined with their flashers, each resolved once."""

from collections.abc import Sequence

from flashers.api import Activation, Declaration, Exposure, Initiative, ResetKind
from gateway.attempt.ports import NodeType
from gateway.model.records import Bounds, Rules
from gateway.model.rescue import Effect, ResetBy
from gateway.profiles.ladder import StepTable
from gateway.profiles.load import ProfileSet
from gateway.profiles.model import Profile


class NodeTypes:
    """Node types by profile name."""

    def __init__(self, profiles: ProfileSet) -> None:
        self.profiles = profiles
        self._known: dict[str, NodeType] = {}

    def get(self, name: str) -> NodeType:
        """The node type.

        Raises:
            ProfileUnknown, BadProfile, PluginBroken: it cannot be used; others can.
        """
        if name not in self._known:
            resolved = self.profiles.resolve(name)
            self._known[name] = NodeType(
                self.profiles.get(name), resolved.plugin, resolved.params, resolved.declaration
            )
        return self._known[name]


def rules_of(
    profile: Profile,
    declaration: Declaration,
    *,
    no_rollback: str = "refuse",
    soak: float | None = None,
    soak_after: float | None = None,
    rungs: Sequence[StepTable] = (),
) -> Rules:
    """The rules that an attempt on such a node is bound by; ``rungs`` are its ladder's."""
    evidence, timing, bounds = profile.evidence, profile.timing, profile.bounds
    transfer = declaration.transfer_evidence if evidence.transfer is None else frozenset(evidence.transfer)
    boot = declaration.boot_evidence if evidence.boot is None else frozenset(evidence.boot)
    return Rules(
        transfer=transfer,
        boot=boot,
        separate=declaration.activation is Activation.SEPARATE,
        exposes=declaration.exposure is Exposure.WINDOW,
        keeps_staged=declaration.keeps_staged,
        trial_boot=declaration.trial_boot,
        reverts=declaration.reverts_by_itself,
        startable=declaration.initiative is Initiative.PUSH,
        restartable=profile.reset is not ResetKind.NONE
        or any(step.effect is Effect.RESET and not step.affects for step in rungs),
        stays_hung=profile.resets is ResetBy.NONE and all(step.effect is Effect.RESET for step in rungs),
        boot_deadline=timing.boot_deadline,
        patience=timing.patience,
        soak=timing.soak if soak is None else soak,
        soak_after=timing.soak_after if soak_after is None else soak_after,
        no_rollback=no_rollback,
        bounds=Bounds(bounds.activations, bounds.starts, bounds.resets),
    )
