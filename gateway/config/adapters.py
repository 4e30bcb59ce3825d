"""The part of the configuration that says which Bluetooth adapters there are, and what is known of them."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.config.radio import DEFAULT_SCAN, Scan
from transports.ble.adapters import ADDRESS, AdapterSettings
from transports.ble.place import HciPlace


def _address(text: str) -> str:
    if not ADDRESS.fullmatch(text):
        raise ValueError("an adapter's address is written 00:1A:7D:DA:71:13; `bluetoothctl list` shows them")
    return text.upper()


def _place(text: str) -> str:
    HciPlace.parse(text)
    return text


class AdapterTable(BaseModel):
    """One adapter: by its address, since ``hci0`` may be another one after a restart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[str, AfterValidator(_address)] | None = None
    """The adapter's own address; BlueZ has it."""
    hci: Annotated[str, AfterValidator(_place)] | None = None
    """``unix:/path`` or ``tcp:HOST:PORT``: a controller there instead of BlueZ; the virtual air has some."""
    links: int | None = Field(default=None, ge=1, le=64)
    """The most nodes that are connected at one time; learned, beginning with eight, if it is left out."""

    scan: Scan = DEFAULT_SCAN
    """How much it listens for unknown nodes: ``"always"``, ``"on-demand"``, or so many seconds a minute."""

    @model_validator(mode="after")
    def _one_way(self) -> "AdapterTable":
        if (self.address is None) == (self.hci is None):
            raise ValueError("an adapter has either an `address` or an `hci`")
        return self

    @property
    def settings(self) -> AdapterSettings:
        """The same as a plain value."""
        return AdapterSettings(self.address, self.hci, self.links)
