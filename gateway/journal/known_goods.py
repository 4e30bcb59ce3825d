"""What nodes can be taken back to, and what was learned of the ways there."""

from flashers.api import Stamp
from flashers.api.plain import dump, load
from gateway.journal.book import Book
from gateway.model.records import Target


class KnownGoods(Book):
    """Known-goods by node, baselines by node type, and which ways back were seen to work."""

    async def known_goods(self, node: str) -> dict[str, Target]:
        """What to go back to, by component."""
        rows = await self._rows("SELECT component, target FROM known_goods WHERE node = ?", node)
        return {component: load(Target, text) for component, text in rows}

    async def all_known_goods(self) -> dict[str, dict[str, Target]]:
        """What to go back to, by node and component."""
        found: dict[str, dict[str, Target]] = {}
        for node, component, text in await self._rows("SELECT node, component, target FROM known_goods"):
            found.setdefault(node, {})[component] = load(Target, text)
        return found

    async def known_goods_proved(self) -> dict[str, Stamp]:
        """When what nodes can go back to was proved to run there, by node: the oldest of its components."""
        found: dict[str, Stamp] = {}
        rows = await self._rows("SELECT node, proved FROM known_goods WHERE proved IS NOT NULL")
        for node, text in rows:
            stamp = load(Stamp, text)
            found[node] = min(found.get(node, stamp), stamp, key=lambda each: each.unix_ms)
        return found

    async def add_baseline(self, profile: str, component: str, target: Target) -> None:
        """Keep a known-good that the operator vouches for."""
        await self._execute(
            "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?)",
            profile,
            component,
            str(target.artifact),
            dump(target),
        )

    async def baselines(self, profile: str, component: str) -> list[Target]:
        """The baselines of a node type's component."""
        query = "SELECT target FROM baselines WHERE profile = ? AND component = ?"
        return [load(Target, text) for (text,) in await self._rows(query, profile, component)]

    async def way_back_worked(self, profile: str, kind: str, version: str) -> None:
        """Remember that this kind of rollback was seen to work on this model and firmware."""
        await self._execute(
            "INSERT OR REPLACE INTO ways_back VALUES (?, ?, ?, ?)",
            profile,
            kind,
            version,
            dump(self._clock()),
        )

    async def way_back_seen(self, profile: str, kind: str) -> bool:
        """Whether it was ever seen to work on this model."""
        return bool(await self._rows("SELECT 1 FROM ways_back WHERE profile = ? AND kind = ?", profile, kind))

    async def keep_speed(self, node: str, bytes_per_second: float) -> None:
        """Remember how fast transfers to a node are."""
        await self._execute("INSERT OR REPLACE INTO speeds VALUES (?, ?)", node, bytes_per_second)

    async def speed(self, node: str) -> float | None:
        """Bytes per second of the last transfer to a node."""
        rows = await self._rows("SELECT bytes_per_second FROM speeds WHERE node = ?", node)
        return float(rows[0][0]) if rows else None
