"""What upstream still knew of a node: our own words from before, as far as they can be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from flashers.api import Digest, Firmware

_UNSETTLED = frozenset({"updating", "wounded"})


class _Firmware(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: str | None = None
    digest: str | None = None

    def value(self) -> Firmware:
        """As a node names it."""
        try:
            identity = Digest.parse(self.digest) if self.digest is not None else None
        except ValueError:
            identity = None
        return Firmware(identity, self.version)


class _Component(_Firmware):
    id: str
    evidence: tuple[Mapping[str, Any], ...] = ()


class _State(BaseModel):
    model_config = ConfigDict(extra="ignore")

    profile: str
    link: str
    labels: Mapping[str, str] = {}
    state: str = "unknown"
    role: str = "unknown"
    components: tuple[_Component, ...] = ()
    known_good: Mapping[str, _Firmware] = {}


@dataclass(frozen=True, slots=True)
class Remembered:
    """A node as it was told upstream; ``known_good`` and ``ran`` are by component."""

    profile: str
    link: str
    labels: Mapping[str, str] = field(default_factory=dict)
    unsettled: bool = False
    """Whether it was being written, or wounded."""
    proved: bool = False
    """Whether it had been seen to run, by its own word."""
    ran: Mapping[str, Firmware] = field(default_factory=dict)
    known_good: Mapping[str, Firmware] = field(default_factory=dict)


def read_remembered(state: Mapping[str, Any]) -> Remembered | None:
    """What a retained state says; None if it is none that we understand."""
    try:
        told = _State.model_validate(state)
    except ValidationError:
        return None
    boots = any(piece.get("of") == "boot" for each in told.components for piece in each.evidence)
    return Remembered(
        profile=told.profile,
        link=told.link,
        labels=told.labels,
        unsettled=told.state in _UNSETTLED,
        proved=told.role == "app" and boots,
        ran={each.id: each.value() for each in told.components if each.value()},
        known_good={name: each.value() for name, each in told.known_good.items() if each.value()},
    )
