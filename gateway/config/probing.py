"""How often nodes are looked at without anybody asking."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ProbingTable(BaseModel):
    """Looks that nobody asked for; off unless the configuration says otherwise.

    A look opens the node's port, and a gateway that does so unasked surprises the other
    software on the same link.  Nodes whose application a look restarts are never looked
    at by themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    every: Annotated[float, Field(ge=0)] = 0.0
    """Seconds after which a node is looked at again; 0 never does it."""
    parallel: Annotated[int, Field(ge=1, le=64)] = 8
    """Links that are looked at side by side; each has one look at a time."""
