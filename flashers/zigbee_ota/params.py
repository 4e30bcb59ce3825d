"""The settings of a type of Zigbee node: the ``[params]`` of its profile.

Manufacturer code, image type and model are how a file and a node are found to belong together.
The rest is what cannot be asked of a node: whether its loader takes a bad image back, what of its
own words has to agree with the file before its update counts, how long it may think.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator

from flashers.api import Params

Seconds = Annotated[float, Field(gt=0, le=86400)]
U16 = Annotated[int, Field(ge=0, le=0xFFFF)]


class Proof(StrEnum):
    """What of a node's own words has to agree with the file."""

    FILE_VERSION = "file-version"
    """CurrentFileVersion of the OTA cluster (0x0002)."""
    BUILD_ID = "build-id"
    """SWBuildID of the Basic cluster (0x4000); ``build_id`` says how a file's is written."""
    APPLICATION_VERSION = "application-version"
    """ApplicationVersion of the Basic cluster (0x0001); ``application_byte`` says where a file has it."""


class Pages(StrEnum):
    """Whether a node that asks for whole pages gets them."""

    AUTO = "auto"
    """As long as they arrive; a node whose pages have many gaps is told to ask for blocks."""
    OFF = "off"
    """It is told that pages are not supported, and asks for blocks."""


class Owner(StrEnum):
    """Who has the coordinator of such nodes."""

    TENDER = "tender"
    ZIGBEE2MQTT = "zigbee2mqtt"
    """It brings the image, and starts it at once; Tender proves what runs.  Their network is a guest's."""


class OtaParams(Params):
    """What differs between types of nodes; times in seconds, sizes in bytes."""

    manufacturer: U16 | None = None
    """Manufacturer code of its files (a whole number; TOML takes 0x117c)."""
    image_type: U16 | None = None
    """Image type of its files."""
    model: tuple[str, ...] = ()
    """ModelIdentifier (Basic, 0x0005) of such nodes; one of them, where there are several."""
    hardware: U16 | None = None
    """Hardware version, for files that name limits; most nodes tell it themselves in their query."""
    endpoint: Annotated[int, Field(ge=1, le=240)] | None = None
    """Where its OTA client is; found by its descriptors if this is left out."""
    owner: Owner = Owner.TENDER
    """Whose the network is."""
    proof: Annotated[tuple[Proof, ...], Field(min_length=1)] = (Proof.FILE_VERSION,)
    """All of them have to agree before an update counts as proved."""
    build_id: str = ""
    """How SWBuildID is made of a file version: ``{0}`` to ``{3}`` are its bytes, ``{h0}`` to ``{h7}`` its
    hexadecimal digits, both from the highest, ``{version}`` the number, ``{header}`` the header's text.
    """
    application_byte: Annotated[int, Field(ge=0, le=3)] = 0
    """Which byte of the file version ApplicationVersion is, counted from the highest."""
    reverts: bool = False
    """Its loader takes an image that does not start back by itself."""
    stages: bool = True
    """It can wait with a complete image until it is told to start it; one that cannot starts it at once."""
    block_min: Annotated[int, Field(ge=1, le=255)] = 24
    """No smaller blocks are tried where a route carries less and less."""
    block_max: Annotated[int, Field(ge=1, le=255)] = 64
    """No larger blocks are given, whatever the node asks for."""
    pages: Pages = Pages.AUTO
    """What is done with page requests."""
    reply_timeout: Seconds = 8.0
    """For the answer of a node that is awake."""
    stall_timeout: Seconds = 180.0
    """How long a node may ask for nothing in mid-image; sleep, and being told to wait, do not count."""
    verify_deadline: Seconds = 600.0
    """From the last byte until the node has checked its image and says so: it takes minutes on some."""
    boot_deadline: Seconds = 300.0
    """From the word to start the image until the node must have been heard again."""
    check_in: Seconds = 3600.0
    """How often a sleepy node is heard of at the latest; it is missed after three times that."""

    @field_validator("model", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("build_id")
    @classmethod
    def _fills(cls, value: str) -> str:
        try:
            _filled(value, 0, "")
        except (LookupError, ValueError) as error:
            raise ValueError(
                "build_id has {0} to {3}, {h0} to {h7}, {version} and {header} in braces, and nothing else"
            ) from error
        return value

    def build_id_of(self, version: int, header: str) -> str | None:
        """The SWBuildID that a node with this file tells; None where the profile does not say."""
        return _filled(self.build_id, version, header) if self.build_id else None

    def application_version_of(self, version: int) -> int:
        """The ApplicationVersion that a node with this file tells."""
        return version >> 8 * (3 - self.application_byte) & 0xFF


def _filled(pattern: str, version: int, header: str) -> str:
    parts = version.to_bytes(4, "big")
    digits = {f"h{place}": digit for place, digit in enumerate(f"{version:08x}")}
    return pattern.format(*parts, **digits, version=version, header=header)
