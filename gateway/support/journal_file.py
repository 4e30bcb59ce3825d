"""A journal as a file, read without its service and without changing it.

Its two files are copied first: even a reader of a WAL writes beside it, and of a
damaged journal every byte may be needed.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from gateway.service.seeing.checking import check_journal
from gateway.verbs.seeing import JournalCheck

NAME = "journal.sqlite"


class JournalFile:
    """A copy of a journal; every question gives what can be read, and an empty answer of what cannot."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.troubles: list[str] = []

    def check(self) -> JournalCheck:
        """What SQLite says of it."""
        return check_journal(self.path)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows up to where they cannot be read; why not is kept in ``troubles``."""
        found: list[tuple[Any, ...]] = []
        try:
            with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as connection:
                connection.text_factory = lambda raw: raw.decode(errors="replace")
                for row in connection.execute(query, values):
                    found.append(row)  # noqa: PERF402 - what came before the trouble is kept
        except sqlite3.Error as error:
            self.troubles.append(f"{query.partition(' WHERE ')[0]}: {error}")
        return found


@contextmanager
def journal_copy(state: Path) -> Iterator[JournalFile]:
    """The journal of a state folder, for as long as the context lasts.

    Raises:
        OSError: it is not there, or may not be read.
    """
    with tempfile.TemporaryDirectory(prefix="tender-journal-") as folder:
        for end in ("", "-wal"):
            file = state / f"{NAME}{end}"
            if not end or file.exists():
                shutil.copyfile(file, Path(folder) / file.name)
        yield JournalFile(Path(folder) / NAME)
