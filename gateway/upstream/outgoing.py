"""What every message that leaves the gateway is made of."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from flashers import api
from gateway.upstream.bounds import cut

Text = Annotated[str, BeforeValidator(cut)]
Detail = Annotated[str, BeforeValidator(lambda text: cut(text, 200))]


class Outgoing(BaseModel):
    """A message or a part of one."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, use_enum_values=True)

    def payload(self) -> bytes:
        """The message as JSON; what has no value is left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Moment(Outgoing):
    """A moment of the gateway's wall clock, and whether that clock can be believed."""

    unix_ms: int = Field(description="Milliseconds since 1970-01-01 UTC, as the gateway's clock said.")
    synchronised: bool = Field(description="Whether that clock was synchronised then.")

    @classmethod
    def of(cls, stamp: api.Stamp | None) -> "Moment | None":
        """A stamp for upstream."""
        return None if stamp is None else cls(unix_ms=stamp.unix_ms, synchronised=stamp.synchronised)
