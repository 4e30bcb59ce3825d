"""What a flasher asked to be remembered of one node: read before its session, kept by the host.

Reading is at once, since a flasher is asked for it between two frames; writing takes as long
as the disk does, since what is said to the node next depends on it.
"""

from collections.abc import Awaitable, Callable, Mapping

Keep = Callable[[str, str | None], Awaitable[None]]
"""(name, value or None to forget) → it is on the disk."""


async def _nowhere(name: str, value: str | None) -> None:
    """Outside of the service there is no journal: a word lives as long as its session."""


class Words:
    """A node's words, as they were and as they become."""

    def __init__(self, known: Mapping[str, str] | None = None, keep: Keep = _nowhere) -> None:
        self.known = dict(known or {})
        self._keep = keep

    async def keep(self, name: str, value: str | None) -> None:
        """Remember a word, or with None forget it.  Raises as the host's keeper; then nothing has changed."""
        if self.known.get(name) == value:
            return
        await self._keep(name, value)
        if value is None:
            self.known.pop(name, None)
        else:
            self.known[name] = value
