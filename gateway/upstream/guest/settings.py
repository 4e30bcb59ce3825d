"""Which zigbee2mqtt, and at which broker: a ``[guests.NAME]`` table of the configuration."""

from pydantic import BaseModel, ConfigDict, Field

from gateway.upstream.settings import BaseTopic, MqttSettings
from transports.zigbee.networks import NetworkSettings, Radio


class GuestTable(BaseModel):
    """One network that zigbee2mqtt owns; nodes' links name it as any network: ``zigbee:NAME#ADDRESS``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mqtt: MqttSettings
    """The broker of zigbee2mqtt; the settings are those of `[upstream.mqtt]` that reach one."""
    base_topic: BaseTopic = "zigbee2mqtt"
    """Zigbee2mqtt's own setting of this name."""
    concurrent: int = Field(default=1, ge=1, le=32)
    """Nodes that are updated at one time; zigbee2mqtt paces each by a fixed delay."""
    response_delay: int | None = Field(default=50, ge=50, le=10_000)
    """Milliseconds that it waits between two blocks; its own setting (250) if this is none."""
    block_size: int | None = Field(default=None, ge=10, le=100)
    """Bytes of a block; its own setting (50) if left out."""

    @property
    def settings(self) -> NetworkSettings:
        """What the list of networks knows of it."""
        return NetworkSettings(self.mqtt.url, Radio.ZIGBEE2MQTT, concurrent=self.concurrent)
