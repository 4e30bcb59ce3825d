"""The part of the configuration that says which links are shared with other software.

Tender asks that software off before it opens the link, and lets it back afterwards: by
a unit of the service manager, by commands, by lock files, or by several of these.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from transports.ble.adapters import ADDRESS
from transports.errors import BadLink
from transports.links import LinkSpec, Medium
from transports.uart.settings import BUS_OPTIONS, Settings
from transports.uart.tcp import host_and_port
from transports.zigbee.address import ieee_address


def checked_link(text: str) -> str:
    """A link's text as it stands; an IEEE address is written in its one form.  Raises ValueError."""
    try:
        spec = LinkSpec.parse(text)
        if spec.medium is Medium.UART:
            Settings.of(spec, also=BUS_OPTIONS)
        if spec.scheme in {"socket", "rfc2217"}:
            host_and_port(spec)
        if spec.medium is Medium.BLE and spec.address is not None and not ADDRESS.fullmatch(spec.address):
            raise BadLink(
                f"{spec.address} is no Bluetooth address", remedy="Write ble:ADAPTER#C0:FF:EE:00:00:01."
            )
        if spec.medium is Medium.ZIGBEE and spec.address is not None:
            text = str(replace(spec, address=ieee_address(spec.address)))
    except BadLink as bad:
        raise ValueError(f"{bad.message}; {bad.what_to_do}") from bad
    return text


def _program(words: tuple[str, ...]) -> tuple[str, ...]:
    if words and not words[0].startswith("/"):
        raise ValueError(f"{words[0]!r} is not the whole path of a program; no shell looks for it")
    return words


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("a path in the configuration is absolute, since a service has no folder of its own")
    return path


LinkText = Annotated[str, AfterValidator(checked_link)]
Program = Annotated[tuple[str, ...], AfterValidator(_program)]
FilePath = Annotated[Path, AfterValidator(_absolute)]
Positive = Annotated[float, Field(gt=0)]


class LinkTable(BaseModel):
    """A link that other software uses as well."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    link: LinkText
    """As the nodes on it have it; options and address do not matter."""
    shared_with: str = Field(default="", max_length=80)
    """The other software's name, for people; the unit's if it is left out."""
    unit: str | None = Field(default=None, pattern=r"^[A-Za-z0-9:_.\\@-]+\.(service|target|socket)$")
    """Stopped before Tender takes the link, and started after, if it was active."""
    before: Program = ()
    """A program and its arguments, run before Tender takes the link; no shell sees them."""
    after: Program = ()
    """The same once Tender has given it back.  Like ``before``, it may be run again after a crash."""
    uucp_lock: bool = False
    """Keep a lock file ``LCK..NAME`` with our process id while Tender has the link."""
    lock_folder: FilePath = Path("/run/lock")
    """Where such files lie."""
    flock: FilePath | None = None
    """A file that whoever has the link holds an exclusive ``flock`` on."""
    hook_deadline: Positive = 30.0
    """Seconds for each hook; one that takes longer is killed."""
    lease_deadline: Positive = 600.0
    """Seconds after which the other software gets the link back, though more nodes wait."""
    pause: Annotated[float, Field(ge=0)] = 60.0
    """Seconds that it then has it before it is asked off again."""
    systemctl: FilePath = Path("/usr/bin/systemctl")
    """The program that stops and starts units."""

    @model_validator(mode="after")
    def _says_something(self) -> "LinkTable":
        if LinkSpec.parse(self.link).medium is Medium.ZIGBEE:
            raise ValueError(
                "link: a coordinator has one owner; for a network of other software see [guests]"
            )
        if self.after and not self.before:
            raise ValueError("after: what is let back has to be asked off first, by `before`")
        if self.uucp_lock and LinkSpec.parse(self.link).scheme != "uart":
            raise ValueError("uucp_lock: such files are for ports of this machine")
        return self

    @property
    def spec(self) -> LinkSpec:
        """The link as a value."""
        return LinkSpec.parse(self.link)

    @property
    def who(self) -> str:
        """The other software, in words."""
        return self.shared_with or self.unit or (Path(self.before[0]).name if self.before else "others")

    @property
    def has_hooks(self) -> bool:
        """Whether anything has to be done before the link may be opened."""
        return bool(self.unit or self.before or self.uucp_lock or self.flock)
