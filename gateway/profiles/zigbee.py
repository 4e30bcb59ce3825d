"""What a type of Zigbee node needs: how it is woken by hand, how full its battery has to be."""

from pydantic import BaseModel, ConfigDict, Field

_WAKE = "Press its button"


class ZigbeeTable(BaseModel):
    """The ``[zigbee]`` table of a profile; the gates hold only before a node is touched."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    wake: str = Field(default=_WAKE, min_length=1, max_length=120)
    """How a person wakes a sleepy node, a sentence without its full stop: ``Open and close the window``."""
    missing_after: float = Field(default=10_800.0, gt=0)
    """Seconds without a word after which a sleepy node that was started has not come back."""
    min_battery_percent: int | None = Field(default=None, ge=1, le=100)
    """Nothing is begun while its battery has less, in percent, as the node says (Power Configuration)."""
    min_battery_volts: float | None = Field(default=None, gt=0, le=25)
    """In volts; where a node says its voltage only this counts, since many round their percent upwards."""
    battery_every: float = Field(default=21_600.0, gt=0)
    """Seconds after which a battery that was too low is read again, once the node is heard."""

    @property
    def asks_battery(self) -> bool:
        """Whether the battery has to be read before anything is begun."""
        return self.min_battery_percent is not None or self.min_battery_volts is not None
