"""Where the face is shown: the ``[upstream.zigbee2mqtt]`` table of the configuration."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.upstream.settings import MqttSettings


class FaceTable(BaseModel):
    """The broker, and which topics; both may be those of a zigbee2mqtt that was here before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mqtt: MqttSettings
    """The broker; the settings are those of `[upstream.mqtt]` that reach one."""
    base_topic: str = Field(default="zigbee2mqtt", min_length=1, max_length=200)
    """What the topics begin with, as zigbee2mqtt's own setting of this name."""
    raw: bool = False
    """Also publish every ZCL frame that nodes send, and send those that are asked for (never OTA's)."""
    states_every: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds between two states of a node while it is updated."""

    @field_validator("base_topic")
    @classmethod
    def _is_topic(cls, text: str) -> str:
        if set(text) & set("+#\0") or text.startswith(("$", "/")) or text.endswith("/"):
            raise ValueError("a base topic holds no + or #, and neither begins nor ends with a slash")
        return text

    @property
    def where(self) -> str:
        """Host and port, for the log."""
        parts = urlsplit(self.mqtt.url)
        return f"{parts.hostname}:{self.mqtt.port}"
