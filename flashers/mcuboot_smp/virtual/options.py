"""The traits and faults of a virtual node, by name, as ``--fault`` gives them.

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


class NodeOptions(BaseModel):
    """Everything that can be chosen of a virtual node."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )

    page: Annotated[int, Field(ge=64)] = Field(
        default=4096, description="bytes of a flash page, of which every slot has whole ones"
    )
    slot_pages: Annotated[int, Field(ge=2)] = Field(
        default=32, description="pages of a slot; the last one is the bootloader's"
    )
    buf_size: Annotated[int, Field(ge=112)] = Field(default=384, description="bytes of a request's buffer")
    buf_count: Annotated[int, Field(ge=1)] = Field(
        default=4, description="requests that the node holds; more are lost"
    )
    max_lines: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="requests of more console lines are lost, whatever buf-size says"
    )
    latency: Seconds = Field(
        default=0.0, description="every answer comes so much later; requests may overlap"
    )
    work: Seconds = Field(default=0.0, description="every request takes so long, one after the other")
    boot_time: Annotated[float, Field(gt=0)] = Field(
        default=0.05, description="from a restart to the application"
    )
    slow_erase: Seconds = Field(default=0.0, description="the first request of an upload takes so long")
    no_params: bool = Field(default=False, description="the server does not know the parameters command")
    no_info: bool = Field(default=False, description="the server knows neither bootloader info nor slot info")
    hw_id: str | None = Field(
        default=None, description="the node name that the application tells (OS info, format n)"
    )
    says_mode: int | None = Field(default=None, description="the bootloader mode that it reports instead")
    legacy: bool = Field(default=False, description="errors in the old form, a plain rc")
    frugal: bool = Field(default=False, description="flags that are false are left out of the image list")
    no_hash: bool = Field(default=False, description="serial recovery lists no hashes")
    trim_tail: Annotated[int, Field(ge=1)] = Field(
        default=1, description="serial recovery takes only multiples of this from a piece"
    )
    busy: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="every so many requests it answers that it is busy"
    )
    loses_overlap: bool = Field(
        default=False, description="what arrives while a request is worked on is lost"
    )
    hangs_if_asked_at_boot: bool = Field(
        default=False, description="bytes that arrive during the boot hang it until it is restarted"
    )
    mute_after: int | None = Field(
        default=None, description="falls silent after so many requests, until power-off"
    )
    worn_flash: bool = Field(
        default=False,
        description="one bit of every new image is written wrong, and the image list does not tell",
    )
    silent: bool = Field(default=False, description="never answers")
    watchdog: Seconds | None = Field(
        default=None, description="restarts an application that hangs after so long"
    )
    recovery: bool = Field(
        default=False,
        description="a node without an image that runs falls into serial recovery, in every mode",
    )
    recovery_wait: Seconds = Field(
        default=1.0, description="serial recovery waits so long for a request after a restart by line"
    )
    key_hash: str | None = Field(default=None, description="hash of the only key that the bootloader accepts")
    security_counter: int | None = Field(default=None, description="the least that the bootloader accepts")
    no_downgrade: bool = Field(default=False, description="the bootloader accepts no older version")
    reject: Literal["boot", "upload", "pending", "confirm"] | None = Field(
        default=None,
        description="refuses new images: boot (the bootloader erases them), or the server at upload, "
        "pending or confirm",
    )

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> "NodeOptions":
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
    name.replace("_", "-"): field.description or "" for name, field in NodeOptions.model_fields.items()
}
"""What each option does, for people."""
