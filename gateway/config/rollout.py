"""The ``[rollout]`` table: how a release goes from one node to all, and what a node may be asked to bear."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.model.activation import checked_when

NoRollback = Literal["refuse", "canary-only", "allow"]
When = Annotated[str, AfterValidator(checked_when)]
WaveSize = Annotated[int, Field(ge=1, le=1000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BudgetTable(_Table):
    """What one node may be asked to bear within 30 days; deployments beyond it wait.

    Sixty erases in 30 days are 7,300 in ten years: below the 10,000 cycles that the
    flash of common microcontrollers is specified for.
    """

    attempts: int = Field(default=30, ge=1)
    """Attempts that began."""
    erases: int = Field(default=60, ge=1)
    """Transfers that began: each erases what it writes to."""
    air_seconds: float = Field(default=36_000.0, gt=0)
    """Time with the node, in seconds; on a radio it is airtime, and the node's battery."""


class RolloutTable(_Table):
    """How many nodes at a time, which, and when to stop."""

    max_in_parallel: int = Field(default=16, ge=1, le=1000)
    """Nodes under way at one moment, over all links."""
    per_link: int = Field(default=1, ge=1, le=16)
    """Nodes under way on one link."""
    no_rollback: NoRollback = "refuse"
    """What to do with a node that could not go back."""
    waves: tuple[WaveSize, ...] = Field(default=(1, 3, 10), max_length=16)
    """Nodes of one type: so many are proved first, then so many more, then so many at a time.
    An empty list begins all at once, and nothing stops a bad release."""
    stop_in_a_row: int = Field(default=2, ge=1)
    """A rollout stops after so many nodes of one type in a row that did not succeed; before the first
    wave is through, after the first."""
    stop_share: float = Field(default=0.2, gt=0, le=1)
    """It also stops when more than this share of a type's nodes did not succeed, of at least five."""
    activate: When = "at-once"
    """When nodes that can wait with a transferred image are started: ``at-once``, ``held`` until somebody
    says so, ``02:00-05:00`` of the gateway's local time, or a moment."""
    budget: BudgetTable = BudgetTable()
