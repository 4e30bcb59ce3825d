"""Where the face is shown: the ``[upstream.zigbee2mqtt]`` table of the configuration."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.upstream.settings import BaseTopic, MqttSettings


class FaceTable(BaseModel):
    """The broker, and which topics; both may be those of a zigbee2mqtt that was here before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mqtt: MqttSettings
    """The broker; the settings are those of `[upstream.mqtt]` that reach one."""
    base_topic: BaseTopic = "zigbee2mqtt"
    """What the topics begin with, as zigbee2mqtt's own setting of this name."""
    raw: bool = False
    """Also publish every ZCL frame that nodes send, and send those that are asked for (never OTA's)."""
    states_every: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds between two states of a node while it is updated."""

    @property
    def where(self) -> str:
        """Host and port, for the log."""
        return f"{self.mqtt.host}:{self.mqtt.port}"
