"""What a node type's radio needs: how strongly it has to be heard, how full its battery, how it pairs."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from transports.gatt import uuid16

_SHORT = re.compile(r"(?:0x)?([0-9a-fA-F]{4})")
_LONG = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
BATTERY_LEVEL = uuid16(0x2A19)
"""Of the Battery Service 0x180F: a byte, in percent (Bluetooth SIG, "Battery Service" 1.1, 3.1)."""


def _characteristic(text: str) -> str:
    short = _SHORT.fullmatch(text)
    full = uuid16(int(short[1], 16)) if short else text.lower()
    if not _LONG.fullmatch(full):
        raise ValueError("a characteristic is a UUID, or the four hex digits of one of the Bluetooth SIG")
    return full


class Pairing(StrEnum):
    """How a node is paired with; the keys stay with BlueZ."""

    NONE = "none"
    JUST_WORKS = "just-works"
    """Encrypted, without anybody being asked."""
    PASSKEY = "passkey"
    """With the passkey that the node has."""


class RadioTable(BaseModel):
    """The ``[radio]`` table of a profile; the gates hold only before a node is touched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_rssi: int | None = Field(default=None, ge=-127, le=20)
    """Nothing is begun while it is heard less strongly, in dBm."""
    min_battery: int | None = Field(default=None, ge=1, le=100)
    """Nothing is begun while its battery has less, in percent."""
    battery_characteristic: Annotated[str, AfterValidator(_characteristic)] = BATTERY_LEVEL
    """Where its battery is read: a byte, in percent."""
    battery_every: float = Field(default=900.0, gt=0)
    """Seconds after which a battery that was too low is read again; each time the node is connected to."""
    pair: Pairing = Pairing.NONE
    """How it is paired with."""
    passkey: int | None = Field(default=None, ge=0, le=999_999)
    """Six digits that such a node has; with ``pair = "passkey"``."""
    listen: float = Field(default=10.0, gt=0, le=60)
    """Seconds in which a node that is there has called out at least once."""

    @model_validator(mode="after")
    def _passkey_where_one_is_asked(self) -> "RadioTable":
        if (self.pair is Pairing.PASSKEY) != (self.passkey is not None):
            raise ValueError('pair = "passkey" and passkey = … go together')
        return self
