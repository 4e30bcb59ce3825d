"""Who we are to the broker, and whom we believe to be it; read anew for every connection.

So a password or a certificate can be changed under a running service.
"""

import ssl

from gateway.upstream.settings import MqttSettings


def password(settings: MqttSettings) -> str | None:
    """The password, if there is one.

    Raises:
        OSError, ValueError: its file cannot be read.
    """
    if settings.password_file is not None:
        return settings.password_file.read_text().rstrip("\r\n")
    return None if settings.password is None else settings.password.get_secret_value()


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """What a connection is encrypted and judged by.

    Raises:
        OSError: a certificate cannot be read, or does not fit its key.
    """
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.sslsocket_class = _TidySocket
    if settings.cert_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


class _TidySocket(ssl.SSLSocket):
    """Closed when the handshake fails: the library forgets to."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise
