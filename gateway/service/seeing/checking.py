"""Ask SQLite whether a journal is whole: through a connection that cannot write."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.verbs.seeing import JournalCheck

_FINDINGS = 50


def check_journal(path: Path) -> JournalCheck:
    """The journal's shape, what is wrong with it, and how much is in it; what cannot be read is a finding."""
    size = path.stat().st_size if path.exists() else 0
    schema, findings, rows = 0, list[str](), dict[str, int]()
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            ((schema,),) = connection.execute("PRAGMA user_version").fetchall()
            findings = [text for (text,) in connection.execute(f"PRAGMA integrity_check({_FINDINGS})")]
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                if not name.startswith("sqlite_"):
                    query = f'SELECT count(*) FROM "{name}"'  # noqa: S608 - a name out of the file itself
                    ((rows[name],),) = connection.execute(query).fetchall()
    except sqlite3.DatabaseError as error:
        findings.append(f"it cannot be read: {error}")
    return JournalCheck(schema, tuple(findings), rows, size)
