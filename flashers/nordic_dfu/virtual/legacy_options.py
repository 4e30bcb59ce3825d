"""The traits and faults of a virtual node with a legacy loader, by name, as ``--fault`` gives them.

An option without a value is on when it is there.  Times are seconds, sizes bytes.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transports.errors import TenderError

Seconds = Annotated[float, Field(ge=0)]


class BadOption(TenderError):
    """A virtual node has no such trait or fault, or not with this value."""

    code = "bad-fault"
    remedy = "See `tender flashers` for the faults that virtual nodes of each flasher understand."


class LegacyOptions(BaseModel):
    """Everything that can be chosen of a virtual node with a legacy loader."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )

    page: Annotated[int, Field(ge=64, multiple_of=4)] = Field(
        default=1024, description="bytes of a flash page (legacy)"
    )
    pages: Annotated[int, Field(ge=1)] = Field(
        default=96, description="pages of a bank; a node with two banks has twice as many (legacy)"
    )
    device_type: int | None = Field(
        default=None, description="the device type that its loader wants (legacy)"
    )
    device_revision: int | None = Field(
        default=None, description="the device revision that its loader wants (legacy)"
    )
    softdevice: int | None = Field(default=None, description="the SoftDevice that is on it (legacy)")
    least_version: int | None = Field(
        default=None, description="its loader was extended to take no lower application version (legacy)"
    )
    no_revision: bool = Field(
        default=False,
        description="neither application nor loader tells a DFU revision, as before SDK 7 (legacy)",
    )
    no_information: bool = Field(
        default=False, description="the application has no Device Information service (legacy)"
    )
    secured: bool = Field(
        default=False, description="the application's way into the loader wants an encrypted link (legacy)"
    )
    by_wire: bool = Field(
        default=False,
        description="its first firmware came by wire: its loader starts what is there (legacy)",
    )
    buffer: Annotated[int, Field(ge=1)] = Field(
        default=8, description="packets that the loader holds while it writes; more are lost (legacy)"
    )
    write_time: Seconds = Field(default=0.0, description="to write a packet into flash (legacy)")
    erase_time: Seconds = Field(default=0.0, description="to erase a page; a start erases a bank (legacy)")
    silent_loss: bool = Field(
        default=False, description="packets over its buffer are lost without a word, as before SDK 7 (legacy)"
    )
    lose: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="the loader loses the so-manieth packet of an image, once (legacy)"
    )
    flip_bit: bool = Field(
        default=False, description="the first image that comes is bent on its way (legacy)"
    )
    refuse: Literal["start", "init", "validate"] | None = Field(
        default=None, description="the loader says no at this step (legacy)"
    )
    stays_in_app: bool = Field(
        default=False, description="the application does not leave for the loader when it is told (legacy)"
    )
    mute_loader: bool = Field(default=False, description="the loader answers nothing (legacy)")
    silent: bool = Field(default=False, description="it is never on the air (legacy)")
    boot_time: Annotated[float, Field(gt=0)] = Field(
        default=0.05, description="from a restart to the application or the loader (legacy)"
    )
    idle: Annotated[float, Field(gt=0)] = Field(
        default=120.0, description="a loader that hears nothing restarts after so long (legacy)"
    )

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> "LegacyOptions":
        """Read options as text; an empty value switches on.

        Raises:
            BadOption: one of them is unknown or does not fit.
        """
        try:
            return cls.model_validate({name: value or "true" for name, value in options.items()})
        except ValidationError as error:
            first = error.errors()[0]
            raise BadOption(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


FAULTS: Mapping[str, str] = {
    name.replace("_", "-"): field.description or "" for name, field in LegacyOptions.model_fields.items()
}
"""What each option does, for people."""
