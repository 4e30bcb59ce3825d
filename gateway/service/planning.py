"""From a release and a node to an attempt: which artifacts, by which rules, or why not."""

from collections.abc import Mapping

from flashers.api import Firmware, Reason, Seen
from gateway.attempt.ports import NodeType
from gateway.config.model import NodeTable
from gateway.control import Selector
from gateway.model.records import Part, Target
from gateway.releases.manifest import Manifest, ReleaseArtifact
from gateway.releases.rules import hardware_reason


def selected(select: Selector, nodes: Mapping[str, NodeTable]) -> list[str]:
    """The nodes that meet every given condition; none if no condition is given."""
    if not (select.all or select.nodes or select.profiles or select.labels):
        return []
    return [
        name
        for name, node in nodes.items()
        if (not select.nodes or name in select.nodes)
        and (not select.profiles or node.profile in select.profiles)
        and all(node.labels.get(label) == value for label, value in select.labels.items())
    ]


def plan(
    manifest: Manifest, node: NodeTable, node_type: NodeType, seen: Seen | None
) -> tuple[tuple[Part, ...], tuple[Reason, ...]]:
    """The parts of an attempt, and every rule that says no before the node is even looked at."""
    parts: list[Part] = []
    reasons: list[Reason] = []
    profile = node_type.profile
    for table in profile.components:
        artifact = pick(manifest, node, profile.name, table.id, table.image, seen)
        if artifact is None:
            continue
        reason = hardware_reason(artifact, profile.hardware)
        if reason is not None:
            reasons.append(reason)
        if artifact.format not in node_type.declaration.formats:
            reasons.append(_wrong_format(artifact, node_type))
        parts.append(Part(table.value(), target_of(manifest, artifact)))
    return tuple(parts), tuple(reasons)


def pick(
    manifest: Manifest, node: NodeTable, profile: str, component: str, image: int, seen: Seen | None
) -> ReleaseArtifact | None:
    """The artifact for this node: for its variant, for the slot that is free, or for all."""
    variants: list[str | None] = [node.labels["variant"]] if "variant" in node.labels else []
    standby = seen.standby(image) if seen is not None else None
    variants.append(f"slot-{standby.slot}" if standby is not None else "slot-1")
    for variant in variants:
        found = manifest.pick(profile, component, variant)
        if found is not None:
            return found
    return None


def target_of(manifest: Manifest, artifact: ReleaseArtifact) -> Target:
    """The artifact as a target; what the node will call it is known once the bytes are here."""
    version = manifest.version_of(artifact)
    return Target(
        artifact=artifact.digest,
        firmware=Firmware(None, version),
        size=artifact.size,
        format=artifact.format,
        variant=artifact.variant,
        version=version,
        data_format=artifact.data_format,
        returns_to=artifact.can_return_to,
        follows=artifact.follows,
    )


def _wrong_format(artifact: ReleaseArtifact, node_type: NodeType) -> Reason:
    known = ", ".join(sorted(node_type.declaration.formats))
    return Reason(
        "wrong-format",
        f"{artifact.name} is {artifact.format}; {node_type.plugin.name} reads {known}.",
        "Make the release with an image of that format.",
    )
