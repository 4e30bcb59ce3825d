"""The traits and faults of a virtual Zigbee node, by name, as ``--fault`` gives them.

An option without a value is on when it is there.  Times are seconds, sizes bytes.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Seconds = Annotated[float, Field(ge=0)]
U16 = Annotated[int, Field(ge=0, le=0xFFFF)]


class BadOption(ValueError):
    """A virtual node cannot be made so."""


class NodeOptions(BaseModel):
    """Everything that can be chosen of a virtual Zigbee node."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )

    # What it is

    manufacturer: U16 | None = Field(
        default=None, description="manufacturer code; else as the profile says, or 0x1234"
    )
    image_type: U16 | None = Field(
        default=None, description="image type; else as the profile says, or 0x0001"
    )
    hardware: U16 | None = Field(
        default=None, description="hardware version, told in its queries; else as the profile says, or 1"
    )
    model: str | None = Field(
        default=None, description="ModelIdentifier; else the first of the profile, or virtual-node"
    )
    vendor: str = Field(default="Tender", description="ManufacturerName")
    page: Annotated[int, Field(ge=256, multiple_of=4)] = Field(
        default=2048, description="bytes of a flash page"
    )
    slot_pages: Annotated[int, Field(ge=1)] = Field(default=64, description="pages of a slot")
    layout: Literal["two-slots", "external"] = Field(
        default="two-slots",
        description="two-slots runs either; external copies a complete image over the old one",
    )
    boot_time: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="from a restart until it is on the network again"
    )
    battery: Annotated[int, Field(ge=0, le=255)] = Field(
        default=30, description="BatteryVoltage of a battery node, in tenths of a volt"
    )
    report_every: Seconds = Field(
        default=60.0, description="how often it reports its value until somebody configures that"
    )

    # How it asks

    asks: Literal["blocks", "pages"] = Field(
        default="blocks", description="whether it asks for blocks, or for pages and then for what is missing"
    )
    block: Annotated[int, Field(ge=1, le=255)] = Field(
        default=50, description="the most bytes that it takes in one block"
    )
    page_size: Annotated[int, Field(ge=1, le=0xFFFF)] = Field(
        default=2048, description="bytes that it asks for in one page request"
    )
    spacing_ms: Annotated[int, Field(ge=0, le=0xFFFF)] = Field(
        default=0, description="milliseconds between the blocks of a page, as it asks for them"
    )
    period: bool = Field(
        default=True, description="it knows MinimumBlockPeriod and keeps it (off: it does not)"
    )
    reply_timeout: Annotated[float, Field(gt=0)] = Field(
        default=5.0, description="for an answer, before it asks again"
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        default=10, description="how often it asks again before it gives up until it is notified"
    )
    tries_again: Annotated[float, Field(gt=0)] = Field(
        default=3600.0, description="after it gave up in mid-image it queries again by itself"
    )
    asks_every: Seconds = Field(default=86400.0, description="how often it queries by itself; 0 is never")
    end_every: Annotated[float, Field(gt=0)] = Field(
        default=3600.0, description="how often it asks again whether to start what it has"
    )
    check_s: Seconds = Field(default=0.5, description="to check a complete image")
    forgets: bool = Field(default=False, description="a loss of power in mid-image makes it begin anew")
    starts_alone: bool = Field(
        default=True, description="three unanswered end requests, and it starts its image by itself"
    )
    no_waiting: bool = Field(
        default=False, description="it starts a complete image at once, whatever it is told"
    )
    only_if_asked: bool = Field(
        default=False, description="it hears when to start its image as an answer alone, not unasked"
    )
    reports_version: Literal["header", "advertised"] = Field(
        default="header", description="which number it tells as CurrentFileVersion after an update"
    )

    # A sleepy one

    sleepy: bool = Field(default=False, description="its receiver is off; it asks its parent")
    long_poll: Annotated[float, Field(gt=0)] = Field(
        default=7.5, description="how often a sleepy one asks its parent while nothing goes on"
    )
    fast_poll: Annotated[float, Field(gt=0)] = Field(
        default=0.25, description="the same while it waits for an answer or updates itself"
    )
    check_in: Seconds = Field(
        default=3600.0, description="how often a sleepy one checks in (poll control); 0 is never"
    )
    deep: bool = Field(
        default=False, description="between its check-ins a sleepy one does not ask its parent at all"
    )

    # Faults

    boots_back: bool = Field(
        default=False, description="it starts the old firmware again, whatever it was given"
    )
    mute_after_boot: Seconds = Field(
        default=0.0, description="after an update it is off the network for so long"
    )
    no_downgrade: bool = Field(
        default=False, description="it takes nothing advertised that is not higher than what it runs"
    )
    says_no: bool = Field(
        default=False,
        description="of an offer that it does not take it says so (INVALID_IMAGE); else it is silent",
    )
    no_old_header: bool = Field(
        default=False, description="it refuses a file whose own version is not higher than what it runs"
    )
    strict_version: bool = Field(
        default=False, description="it refuses a file whose own version is not the advertised one"
    )
    single_minded: bool = Field(
        default=False, description="while it has or fetches an image it ignores that there is another"
    )
    aborts: bool = Field(
        default=False, description="when it gives up it says so (ABORT), and forgets what it had"
    )
    hides_type: bool = Field(
        default=False, description="ImageTypeID is 0xffff while it fetches nothing, as on many nodes"
    )
    ignores_notify: bool = Field(default=False, description="it does not ask when it is notified")
    beyond_end: bool = Field(default=False, description="it also asks for what is beyond the end")
    other_image: bool = Field(default=False, description="it also asks for blocks of another image")
    floods: Annotated[int, Field(ge=0)] = Field(
        default=0, description="it sends each block request so many times more, at once"
    )
    repeats_tsn: bool = Field(
        default=False, description="all its requests have one and the same sequence number"
    )
    lies: U16 | None = Field(default=None, description="it adds this to the version that it tells of itself")
    impatient: bool = Field(
        default=False, description="it gives up at the first answer that is late or says wait"
    )
    ignores_wait: bool = Field(
        default=False, description="it asks again at once when it is told to wait for data"
    )
    drops_reports: bool = Field(
        default=False, description="after an update it has forgotten what it is to report"
    )
    wants_more: bool = Field(
        default=False, description="it has the file, and wants others before it starts any"
    )
    bent: bool = Field(default=False, description="the first image is stored with a bent bit")
    room: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="it says that there is no room for more bytes than this"
    )

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> "NodeOptions":
        """Read options as text; an empty value switches on.

        Raises:
            BadOption: one of them is unknown or does not fit.
        """
        said = {name: _number(value) or "true" for name, value in options.items()}
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadOption(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _number(text: str) -> str:
    return str(int(text, 16)) if text.lower().startswith("0x") else text


FAULTS: Mapping[str, str] = {
    name.replace("_", "-"): field.description or "" for name, field in NodeOptions.model_fields.items()
}
"""What each option does, for people."""
