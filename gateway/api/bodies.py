"""What may be sent to the local API: text enters here, so every key is checked."""

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config.findings import dotted
from gateway.config.rollout import When
from gateway.control import DeploymentPolicy, DeployRequest, Selector
from gateway.errors import MessageMalformed


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Body = TypeVar("Body", bound=_Body)


class SelectBody(_Body):
    """Which nodes."""

    nodes: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    all: bool = False


class PolicyBody(_Body):
    """How to go about it; what is left out is the configuration's or the profile's to say."""

    no_rollback: Literal["refuse", "canary-only", "allow"] | None = None
    soak: float | None = Field(default=None, ge=0)
    soak_after: float | None = Field(default=None, ge=0)
    deadline_s: float | None = Field(default=None, gt=0)
    max_in_parallel: int | None = Field(default=None, ge=1)
    all_at_once: bool = False
    waves: tuple[Annotated[int, Field(ge=1, le=1000)], ...] | None = Field(
        default=None, min_length=1, max_length=16
    )
    stop_in_a_row: int | None = Field(default=None, ge=1)
    stop_share: float | None = Field(default=None, gt=0, le=1)
    beyond_budget: bool = False
    activate: When | None = None


class DeployBody(_Body):
    """A deployment."""

    id: str = Field(min_length=1, max_length=128)
    product: str
    version: str
    select: SelectBody
    policy: PolicyBody = PolicyBody()
    manifest_url: str | None = None

    def request(self, asked_by: str, revision: int | None = None) -> DeployRequest:
        """The same as a plain value."""
        return DeployRequest(
            id=self.id,
            product=self.product,
            version=self.version,
            select=Selector(**dict(self.select)),
            policy=DeploymentPolicy(**dict(self.policy)),
            revision=revision,
            asked_by=asked_by,
            manifest_url=self.manifest_url,
        )


class DesiredBody(_Body):
    """The whole desired state."""

    revision: int = Field(ge=0)
    deployments: tuple[DeployBody, ...] = ()


class ProbeBody(_Body):
    """A look at a node."""

    allow_restart: bool = False


class CancelBody(_Body):
    """The number of an attempt, or the id of a deployment."""

    target: str = Field(min_length=1)


class NoBody(_Body):
    """Nothing can be said along with this request."""


def read_body(kind: type[Body], data: bytes) -> Body:
    """The body of a request; an empty one says nothing.

    Raises:
        MessageMalformed: it is not of this form; the message names the first key that is not.
    """
    try:
        return kind.model_validate_json(data or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = dotted(first["loc"])
        raise MessageMalformed(f"{place}: {first['msg']}" if place else first["msg"]) from error
