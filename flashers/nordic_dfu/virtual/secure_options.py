"""The traits and faults of a virtual node with the secure loader, by name, as ``--fault`` gives them.

An option without a value is on when it is there.  Times are seconds, sizes bytes.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flashers.nordic_dfu.params import Keeps
from flashers.nordic_dfu.virtual.legacy_options import BadOption

Seconds = Annotated[float, Field(ge=0)]


class SecureOptions(BaseModel):
    """Everything that can be chosen of a virtual node with the secure loader."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )

    page: Annotated[int, Field(ge=256, multiple_of=4)] = Field(
        default=4096, description="bytes of a flash page, which is the largest object (secure)"
    )
    pages: Annotated[int, Field(ge=1)] = Field(default=48, description="pages of a bank (secure)")
    key: Literal["one", "two", "none"] = Field(
        default="one",
        description="the test key that its loader trusts; none takes unsigned packages (secure)",
    )
    hw_version: int | None = Field(
        default=None, description="what its loader was built for; else as the profile says, or 52 (secure)"
    )
    softdevice: int | None = Field(
        default=None, description="the SoftDevice on it; else as the profile says, or 0x0100 (secure)"
    )
    rule: Literal["lower", "equal", "off"] | None = Field(
        default=None, description="what its loader refuses by version; else as the profile says (secure)"
    )
    buffers: Annotated[int, Field(ge=1)] = Field(
        default=17, description="packets that the loader holds while it writes; more are lost (secure)"
    )
    queue: Annotated[int, Field(ge=8)] = Field(
        default=16, description="operations on flash that may wait; a packet beyond them is lost (secure)"
    )
    write_time: Seconds = Field(default=0.0, description="to write a packet into flash (secure)")
    erase_time: Seconds = Field(
        default=0.0, description="to erase a page; a create is answered before that (secure)"
    )
    keeps: Keeps | None = Field(
        default=None,
        description="what of an image outlives its link: nothing, link, progress; else as the profile says"
        " (secure)",
    )
    force_dual: bool = Field(
        default=False,
        description="the loader refuses what has no room beside the old application; on if the profile says"
        " so (secure)",
    )
    init_size: Annotated[int, Field(ge=1)] = Field(
        default=512, description="bytes of the largest init packet; 256 up to SDK 15.0 (secure)"
    )
    no_abort: bool = Field(default=False, description="the loader knows no abort, as before SDK 15 (secure)")
    strict: bool = Field(
        default=False, description="the loader executes an object once and says no after that (secure)"
    )
    drop_receipt: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="the loader's so-manieth receipt is lost, once (secure)"
    )
    lose: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="the loader loses the so-manieth packet, once (secure)"
    )
    flip_bit: bool = Field(
        default=False,
        description="the first image is stored with a bent bit, after its CRC was told (secure)",
    )
    refuse: Literal["enter", "name", "init", "execute"] | None = Field(
        default=None, description="application or loader say no at this step (secure)"
    )
    stays_in_app: bool = Field(
        default=False, description="the application says yes and does not leave for the loader (secure)"
    )
    no_information: bool = Field(
        default=False, description="the application has no Device Information service (secure)"
    )
    mute_loader: bool = Field(default=False, description="the loader answers nothing (secure)")
    silent: bool = Field(default=False, description="it is never on the air (secure)")
    att_mtu: Annotated[int, Field(ge=23, le=517)] = Field(
        default=247, description="the largest ATT MTU that it agrees to (secure)"
    )
    boot_time: Annotated[float, Field(gt=0)] = Field(
        default=0.05, description="from a restart to the application or the loader (secure)"
    )
    idle: Annotated[float, Field(gt=0)] = Field(
        default=120.0,
        description="a loader in which no init packet is begun and no object executed restarts after so long"
        " (secure)",
    )

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> "SecureOptions":
        """Read options as text; an empty value switches on.

        Raises:
            BadOption: one of them is unknown or does not fit.
        """
        said = {name: value or "true" for name, value in options.items()}
        for name in ("hw-version", "softdevice"):
            if said.get(name, "").startswith("0x"):
                said[name] = str(int(said[name], 16))
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadOption(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


FAULTS: Mapping[str, str] = {
    name.replace("_", "-"): field.description or "" for name, field in SecureOptions.model_fields.items()
}
"""What each option does, for people."""
