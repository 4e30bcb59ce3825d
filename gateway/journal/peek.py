"""What the journal says of nodes, read beside a running service or without one; nothing is written.

``tender config`` tells every value and who said it, and of nodes the journal says some.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from flashers.api.plain import load
from gateway.journal.errors import JournalError
from gateway.model.nodes import Adopted, Relabelled

_QUERY = "SELECT name, adopted, labels FROM nodes WHERE adopted IS NOT NULL OR labels IS NOT NULL"


def nodes_said(file: Path) -> dict[str, tuple[Adopted | None, Relabelled | None]]:
    """By name: as what a node was adopted, and how its labels were changed; nothing without a journal.

    Raises:
        JournalError: it is there and cannot be read, or is older than this Tender.
    """
    try:
        if not file.exists():
            return {}
        at_rest = not any(Path(f"{file}{end}").exists() for end in ("-wal", "-journal"))
        address = f"{file.absolute().as_uri()}?{'immutable=1' if at_rest else 'mode=ro'}"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            rows = connection.execute(_QUERY).fetchall()
    except (sqlite3.Error, OSError) as error:
        raise JournalError(
            f"{file} cannot be read: {error}", remedy="Use sudo, or ask the service."
        ) from error
    return {
        name: (
            load(Adopted, adopted) if adopted is not None else None,
            load(Relabelled, labels) if labels is not None else None,
        )
        for name, adopted, labels in rows
    }
