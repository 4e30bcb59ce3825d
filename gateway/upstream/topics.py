"""Where on the broker each message has its place.

A node's name is the operator's and may hold what MQTT gives a meaning to; it is
escaped as in a URL, so that no name can leave its level or become a wildcard.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway; ``prefix`` is without a trailing slash."""

    prefix: str

    @classmethod
    def of(cls, prefix: str, gateway: str) -> "Topics":
        """The topics below ``prefix``, in which ``{gateway}`` stands for the gateway's name."""
        return cls(prefix.replace("{gateway}", escape(gateway)))

    @property
    def status(self) -> str:
        """The gateway itself; retained, and the last will's place."""
        return f"{self.prefix}/status"

    @property
    def event(self) -> str:
        """What happened, in order."""
        return f"{self.prefix}/event"

    @property
    def desired(self) -> str:
        """What upstream wants; retained by whoever wants it."""
        return f"{self.prefix}/desired"

    @property
    def command(self) -> str:
        """What upstream asks for once."""
        return f"{self.prefix}/command"

    @property
    def result(self) -> str:
        """The answers to commands."""
        return f"{self.prefix}/command/result"

    def node(self, name: str) -> str:
        """A node's state; retained."""
        return f"{self.prefix}/node/{escape(name)}"

    def progress(self, name: str) -> str:
        """How far the transfer to a node is."""
        return f"{self.prefix}/progress/{escape(name)}"


def escape(name: str) -> str:
    """A name as one level of a topic: all but ASCII letters, digits and ``-._~`` as ``%XX`` of its UTF-8."""
    return quote(name, safe="", errors="surrogatepass")


def unescape(level: str) -> str:
    """The name that :func:`escape` made this level of."""
    return unquote(level, errors="surrogatepass")
