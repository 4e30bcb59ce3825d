"""What is out and has to come back, and what passed on the links."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from flashers.api.plain import dump, load
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.links import Borrowed, Traffic, UserLease
from transports.uart.adapters import Adapter


class LinksBook(Book):
    """Leases, each written before its first hook runs, and the links' counters."""

    async def keep_borrowed(self, borrowed: Borrowed) -> None:
        """Other software is about to be asked off, or more is known of how to let it back."""
        query = (
            "INSERT INTO leases (channel, kind, lease) VALUES (?, 'borrowed', ?) "
            "ON CONFLICT (channel, kind) DO UPDATE SET lease = excluded.lease"
        )
        await self._execute(query, borrowed.channel, dump(borrowed))

    async def drop_borrowed(self, channel: str, told: Iterable[Told] = ()) -> None:
        """The other software has its link again."""
        query = "DELETE FROM leases WHERE channel = ? AND kind = 'borrowed'"
        await self._write_and_tell(lambda connection: connection.execute(query, (channel,)), told)

    async def borrowed(self) -> list[Borrowed]:
        """Everything that other software was asked off, and has not got back."""
        rows = await self._rows("SELECT lease FROM leases WHERE kind = 'borrowed' ORDER BY id")
        return [load(Borrowed, text) for (text,) in rows]

    async def add_user_lease(
        self, channel: str, make: Callable[[int], UserLease], told: Callable[[UserLease], Told]
    ) -> UserLease:
        """A user gets a link; ``make`` is given the lease's number."""

        def work(connection: sqlite3.Connection) -> tuple[UserLease, list[Told]]:
            query = "INSERT INTO leases (channel, kind, lease) VALUES (?, 'user', '')"
            lease = make(connection.execute(query, (channel,)).lastrowid or 0)
            connection.execute("UPDATE leases SET lease = ? WHERE id = ?", (dump(lease), lease.id))
            return lease, [told(lease)]

        return await self._work_and_tell(work)

    async def keep_user_lease(self, lease: UserLease) -> None:
        """Its deadline was moved."""
        await self._execute("UPDATE leases SET lease = ? WHERE id = ?", dump(lease), lease.id)

    async def drop_user_lease(self, lease: UserLease, told: Told) -> None:
        """It was given back, or its deadline has passed."""
        query = "DELETE FROM leases WHERE id = ?"
        await self._write_and_tell(lambda connection: connection.execute(query, (lease.id,)), [told])

    async def user_leases(self) -> list[UserLease]:
        """What users have."""
        rows = await self._rows("SELECT lease FROM leases WHERE kind = 'user' ORDER BY id")
        return [load(UserLease, text) for (text,) in rows]

    async def keep_traffic(
        self, traffic: Mapping[tuple[str, str], Traffic], adapters: Mapping[str, Adapter]
    ) -> None:
        """Remember the counters by link and node, and the ports' adapters by link."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO link_traffic VALUES (?, ?, ?)",
                [(channel, node, dump(each)) for (channel, node), each in traffic.items()],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO link_adapters VALUES (?, ?)",
                [(channel, dump(each)) for channel, each in adapters.items()],
            )

        await self.database.run(work)

    async def traffic(self) -> dict[tuple[str, str], Traffic]:
        """The counters, by link and node."""
        rows = await self._rows("SELECT channel, node, traffic FROM link_traffic")
        return {(channel, node): load(Traffic, text) for channel, node, text in rows}

    async def adapters(self) -> dict[str, Adapter]:
        """What each port was made of."""
        rows = await self._rows("SELECT channel, adapter FROM link_adapters")
        return {channel: load(Adapter, text) for channel, text in rows}
