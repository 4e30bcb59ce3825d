"""How the gateway reaches its broker: the ``[upstream.mqtt]`` table of the configuration."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_PORTS = {"mqtt": 1883, "mqtts": 8883}
"""The ports that IANA lists for mqtt and secure-mqtt."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _is_base(text: str) -> str:
    if set(text) & set("+#\0") or text.startswith(("$", "/")) or text.endswith("/"):
        raise ValueError("a base topic holds no + or #, and neither begins nor ends with a slash")
    return text


BaseTopic = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_base)]
"""What the topics of other software begin with."""


class MqttSettings(BaseModel):
    """Where the broker is, who we are to it, and what the link may cost.  Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str
    """``mqtt://HOST[:PORT]`` or ``mqtts://HOST[:PORT]`` (TLS)."""
    prefix: str = "tender/{gateway}"
    """Where our topics begin; ``{gateway}`` is the gateway's name."""
    claims: str = "tender-claims"
    """Where all gateways that hear the same nodes say whose each one is; see `docs/upstream.md`."""
    client_id: str | None = Field(default=None, min_length=1, max_length=128)
    """``tender-NAME`` if it is left out.  Two gateways with one client id drive each other out."""
    protocol: Literal["5", "3.1.1"] = "5"
    """MQTT's version.  With 3.1.1 a broker cannot say that it refused a message."""

    username: str | None = None
    """Who we are to the broker, if it asks."""
    password: SecretStr | None = None
    """Better kept in a file of its own: see the next."""
    password_file: Path | None = None
    """Read at every connection, so that a password can be changed under a running service."""
    ca_file: Path | None = None
    """Who vouches for the broker; the system's authorities if it is left out."""
    cert_file: Path | None = None
    """Our own certificate, if the broker asks for one."""
    key_file: Path | None = None
    """The key of that certificate."""

    keepalive: int = Field(default=60, ge=1, le=65535)
    """A ping after this long without traffic; the will follows after one and a half times this."""
    session_expiry: int = Field(default=86_400, ge=0, le=0xFFFF_FFFE)
    """How long the broker keeps commands for a gateway that is away."""
    dial_timeout: Positive = 10.0
    """For the TCP connection, and again for the TLS handshake."""
    reply_timeout: Positive = 30.0
    """For the broker to answer; a publish that is not acknowledged for this long ends the connection."""
    retry_first: Positive = 1.0
    """The wait before the first new try."""
    retry_cap: Positive = 120.0
    """The wait before a new connection doubles from ``retry_first`` to this, with jitter."""

    in_flight: int = Field(default=10, ge=1, le=100)
    """Publishes that may wait for the broker's acknowledgement at once."""
    republish_states: Literal["always", "session-lost"] = "always"
    """When to publish every node's state anew: at each connection, or only where the broker forgot us."""
    status_every: Positive = 900.0
    """The status is published when it changes, and at least this often."""
    status_settle: Seconds = 2.0
    """The least time between two publications of the status."""
    progress_every: Seconds = 5.0
    """Progress of transfers at most this often; 0 for none."""

    @field_validator("url")
    @classmethod
    def _is_broker(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the name and the password go into `username` and `password_file`")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("nothing follows the port; the topics' place is set by `prefix`")
        if parts.port == 0:  # reading it checks its range
            raise ValueError("0 is no port")
        return url

    @field_validator("prefix", "claims")
    @classmethod
    def _is_prefix(cls, prefix: str) -> str:
        if not prefix or len(prefix) > 200:
            raise ValueError("a prefix has 1 to 200 characters")
        if set(prefix) & set("+#\0") or prefix.startswith(("$", "/")) or prefix.endswith("/"):
            raise ValueError("a prefix holds no + or #, and neither begins nor ends with a slash")
        return prefix

    @model_validator(mode="after")
    def _fits_together(self) -> "MqttSettings":
        if self.password is not None and self.password_file is not None:
            raise ValueError("give `password` or `password_file`, not both")
        if (self.password or self.password_file) and self.username is None:
            raise ValueError("a password needs a `username`")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("`cert_file` and `key_file` belong together")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("certificates need a mqtts:// url")
        if self.retry_cap < self.retry_first:
            raise ValueError("`retry_cap` is less than `retry_first`")
        return self

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """The broker's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]
