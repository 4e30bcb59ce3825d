"""The part of the configuration that says which Zigbee networks there are, and who coordinates them."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from transports.zigbee.networks import CONCURRENT, NetworkSettings, Radio


def _path(text: str) -> str:
    if text.startswith("socket://"):
        try:
            parts = urlsplit(text)
            good = bool(parts.hostname and parts.port) and not (parts.path or parts.query or parts.fragment)
        except ValueError:
            good = False
        if not good:
            raise ValueError("a coordinator on the network is at socket://HOST:PORT")
    elif not Path(text).is_absolute():
        raise ValueError("a coordinator is at a port, as in /dev/serial/by-id/…, or at socket://HOST:PORT")
    return text


class NetworkTable(BaseModel):
    """One Zigbee network, which Tender owns while it runs: its coordinator, and how much goes on in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    radio: Radio
    """What the coordinator speaks: ``znp`` (Texas Instruments), ``ezsp`` (Silicon Labs), ``deconz``, …"""
    path: Annotated[str, AfterValidator(_path)]
    """``/dev/serial/by-id/…``, or ``socket://HOST:PORT`` for one on the network."""
    baud: int | None = Field(default=None, ge=1200, le=4_000_000)
    """Bits per second; what is usual for the radio if it is left out."""
    channel: int | None = Field(default=None, ge=11, le=26)
    """Used when the network is formed, and only then; the radio chooses if it is left out."""
    concurrent: int = Field(default=CONCURRENT, ge=1, le=32)
    """Nodes that are updated at one time: with few of them the first verdict comes early."""

    @field_validator("radio")
    @classmethod
    def _is_ours(cls, radio: Radio) -> Radio:
        if radio is Radio.ZIGBEE2MQTT:
            raise ValueError("a network that zigbee2mqtt owns has its place in [guests.NAME]")
        return radio

    @property
    def settings(self) -> NetworkSettings:
        """The same as a plain value."""
        return NetworkSettings(self.path, self.radio, self.baud, self.channel, self.concurrent)
