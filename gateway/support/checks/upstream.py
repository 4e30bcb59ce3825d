"""Whether the broker can be reached; a running service has said so already, and knows more."""

import socket
from collections.abc import Sequence

from gateway.support.ground import Ailment, Badness, Ground
from gateway.upstream.credentials import tls_context
from gateway.upstream.settings import MqttSettings

_DIAL_TIMEOUT = 5.0


def check(ground: Ground) -> Sequence[Ailment]:
    """Dial it, and shake hands; nothing is said to it."""
    if ground.overview is not None or ground.loaded is None:
        return []
    settings = ground.loaded.config.upstream.mqtt
    return [] if settings is None else _dialled(settings)


def _dialled(settings: MqttSettings) -> list[Ailment]:
    where = f"{settings.host}:{settings.port}"
    try:
        with socket.create_connection((settings.host, settings.port), timeout=_DIAL_TIMEOUT) as raw:
            if settings.tls:
                with tls_context(settings).wrap_socket(raw, server_hostname=settings.host):
                    pass
    except OSError as error:  # also what TLS and the resolver raise
        text = f"The broker cannot be reached at {where}: {error}"
        remedy = "Check the network, the broker, its name, and its certificate."
        code = "upstream-unreachable"
        return [Ailment(Badness.BROKEN, code, text, remedy, f"getent hosts {settings.host}")]
    return []
