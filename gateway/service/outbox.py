"""What is still to be told upstream, as an upstream sees it."""

from gateway.control import Progress
from gateway.journal import Journal
from gateway.model.views import Event, NodeView
from gateway.service.inventory import Inventory


class JournalOutbox:
    """Implements :class:`gateway.upstream.port.Outbox` on the journal."""

    def __init__(self, journal: Journal, inventory: Inventory) -> None:
        self._journal = journal
        self._inventory = inventory
        self._progress: dict[str, Progress] = {}

    async def unsent(self, limit: int) -> list[Event]:
        """The oldest events that were not acknowledged."""
        return await self._journal.unsent(limit)

    async def acknowledged(self, sequences: list[int]) -> None:
        """Upstream has these."""
        await self._journal.acknowledged(sequences)

    async def changed(self) -> None:
        """Wait until something was written, or a transfer went on."""
        await self._journal.news()

    async def stale_states(self, limit: int) -> list[tuple[NodeView, int]]:
        """Nodes whose published state is old; of those that are no nodes any more see :meth:`gone_states`."""
        found = []
        for name, revision in await self._journal.stale_states(limit):
            try:
                found.append((self._inventory.view(name), revision))
            except KeyError:
                await self._journal.state_published(name, revision)
        return found

    async def gone_states(self, limit: int) -> list[str]:
        """Names that are no node's any more, whose retained state upstream may still have."""
        return sorted(self._inventory.roster.gone)[:limit]

    async def state_cleared(self, name: str) -> None:
        """Upstream has no state of that name any more."""
        if name in self._inventory.roster.gone:  # and not taken in again meanwhile
            self._inventory.roster.gone.discard(name)
            await self._journal.state_cleared(name)

    async def state_published(self, node: str, revision: int) -> None:
        """Upstream has the state of that revision."""
        await self._journal.state_published(node, revision)

    async def all_states_stale(self) -> None:
        """Publish every state again."""
        await self._journal.all_states_stale()
        self._journal.wake()

    def show(self, progress: Progress) -> None:
        """A transfer went on; only the latest is kept."""
        self._progress[progress.node] = progress

    def take_progress(self) -> list[Progress]:
        """The latest by node since the last call."""
        taken, self._progress = list(self._progress.values()), {}
        return taken
