"""How the state outlives the machine: exports made without anybody, and what to rebuild from.

These tables are not called ``[state]``, since ``state`` is the folder.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.state.keys import Recipient
from transports.errors import TenderError


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _recipient(text: str) -> str:
    try:
        return str(Recipient.parse(text))
    except TenderError as bad:
        raise ValueError(f"{bad.message}; {bad.what_to_do}") from bad


def _folder(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("a path in the configuration is absolute, since a service has no folder of its own")
    return path


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        raise ValueError("write http://… or https://…, without a user's name or password")
    return url


class ExportsTable(_Table):
    """Exports of the state that the service makes by itself."""

    to: Annotated[Path, AfterValidator(_folder)] | None = None
    """Folder that they are written to, on another disk than the state's; none are made if it is left out."""
    recipient: Annotated[str, AfterValidator(_recipient)] | None = None
    """Whose key they are sealed to: the text that `tender state keygen` shows."""
    every_hours: float = Field(default=24.0, ge=0.01)
    """Time between two."""
    keep: int = Field(default=7, ge=1, le=1000)
    """How many stay in the folder; the oldest goes first."""
    with_artifacts: Literal["known-good", "all", "none"] = "known-good"
    """Which firmware goes along: what nodes may need to go back or on, all that is stored, or none."""

    @model_validator(mode="after")
    def _complete(self) -> "ExportsTable":
        if self.to is not None and self.recipient is None:
            raise ValueError("exports need a `recipient`: nobody is there to type a passphrase")
        return self


class RebuildTable(_Table):
    """From what a gateway without a past puts its knowledge together again."""

    auto: bool = False
    """Rebuild when the journal is empty, before anything is told upstream."""
    releases: tuple[Annotated[str, AfterValidator(_address)], ...] = ()
    """Addresses of releases that nodes may run: their signed manifests say which bytes are which."""
    artifacts_from: Annotated[str, AfterValidator(_address)] | None = None
    """Where artifacts may be fetched by digest, ``ADDRESS/ab/abcd…``, as in a store's ``sha256`` folder."""
    patience: float = Field(default=60.0, ge=0)
    """Seconds that nodes are left alone for while the broker cannot be asked what it remembers."""
