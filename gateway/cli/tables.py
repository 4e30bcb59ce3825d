"""Print tables and facts: coloured on a terminal, plain and aligned everywhere else.

Plain text has a heading, two blanks between columns and one line a row, so that
``grep`` and ``awk`` can read it; for programs there is ``--json``.
"""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.cli.text import STYLES

COLUMN_OF_NUMBERS = ">"
"""Put before a heading, its column is aligned to the right."""


def print_json(value: Any) -> None:
    """JSON for programs, and legible: a value is indented, a list has one of its values a line."""
    if isinstance(value, list):
        # Ten thousand nodes are written ten times as fast without indentation.
        lines = (json.dumps(each, ensure_ascii=False) for each in value)
        print("[" + ",\n ".join(lines) + "]")
    else:
        print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table; ``empty`` is said instead of one without rows.

    Cells that are a state or an outcome are coloured.
    """
    listed = [list(row) for row in rows]
    if not listed:
        print(empty)
    elif on_terminal():
        _rich_table(headings, listed)
    else:
        _plain_table(headings, listed)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line; a value of several lines is indented."""
    listed = list(facts)
    width = max((len(name) for name, _ in listed), default=0)
    for name, value in listed:
        lines = value.splitlines() or [""]
        print(f"{_dim(name.ljust(width))}  {_coloured(lines[0])}")
        for line in lines[1:]:
            print(f"{' ' * width}  {line}")


def print_text(text: str, *, indent: str = "", further: int = 2) -> None:
    """A sentence: on a terminal it is broken between words, with what follows indented; else one line."""
    if not on_terminal():
        print(f"{indent}{text}")
        return
    width = max(40, shutil.get_terminal_size().columns)
    wrapper = textwrap.TextWrapper(
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}{' ' * further}",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in text.splitlines() or [""]:
        print(wrapper.fill(line))


def on_terminal() -> bool:
    """Whether a person looks on, and colours are welcome (https://no-color.org)."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _plain_table(headings: Sequence[str], rows: list[list[str]]) -> None:
    right = [heading.startswith(COLUMN_OF_NUMBERS) for heading in headings]
    titles = [heading.removeprefix(COLUMN_OF_NUMBERS).upper() for heading in headings]
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _rich_table(headings: Sequence[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in headings:
        is_right = heading.startswith(COLUMN_OF_NUMBERS)
        table.add_column(
            heading.removeprefix(COLUMN_OF_NUMBERS),
            justify="right" if is_right else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    Console().print(table)


def _dim(text: str) -> str:
    return _styled(text, "2")


def _coloured(text: str) -> str:
    codes = {"green": "32", "yellow": "33", "cyan": "36", "red": "31", "bold red": "1;31", "dim": "2"}
    return _styled(text, codes.get(STYLES.get(text, ""), ""))


def _styled(text: str, code: str) -> str:
    if not code or not on_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"
