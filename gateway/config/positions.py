"""Where in a TOML file each key stands, so that a complaint can name the line.

The standard reader gives values without their places.  This one gives places
without values: it runs over a text that the standard reader has accepted, and only
follows tables, keys and the ends of values.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""A place in a document: keys, and indices in arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = ('"""', "'''", '"', "'")


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every table and of every key outside inline values."""
    return _Scanner(text).run()


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """The line of this place, or of the nearest one around it; None for a key that is not in the file."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._at = 0
        self._lines: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip_blank():
            line = bisect_left(self._ends, self._at) + 1
            if self._text.startswith("[[", self._at):
                self._at += 2
                *outer, last = self._keys()
                place = (*self._resolve(tuple(outer)), last)
                self._arrays[place] = self._arrays.get(place, -1) + 1
                self._lines.setdefault(place, line)
                table = (*place, self._arrays[place])
                self._lines[table] = line
                self._at += 2
            elif self._text[self._at] == "[":
                self._at += 1
                table = self._resolve(self._keys())
                self._note(table, line)
                self._at += 1
            else:
                self._note((*table, *self._keys()), line)
                self._at += 1  # the equals sign
                self._skip_value()
        return self._lines

    def _note(self, place: Path, line: int) -> None:
        for length in range(1, len(place) + 1):
            self._lines.setdefault(place[:length], line)

    def _resolve(self, keys: Path) -> Path:
        """A table's name as a place: inside an array of tables it means the last one."""
        place: Path = ()
        for key in keys:
            place = (*place, key)
            if place in self._arrays:
                place = (*place, self._arrays[place])
        return place

    def _skip_blank(self) -> bool:
        """Go to the next statement; False at the end of the text."""
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                self._at = self._end_of_line()
            elif self._text[self._at].isspace():
                self._at += 1
            else:
                return True
        return False

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return len(self._text) if end < 0 else end

    def _keys(self) -> Path:
        """A dotted key; stops at what follows it."""
        keys: list[str] = []
        while True:
            self._skip_spaces()
            if self._text[self._at] in "\"'":
                start = self._at + 1
                self._skip_string()
                keys.append(self._text[start : self._at - 1])
            else:
                found = _BARE.match(self._text, self._at)
                assert found is not None  # noqa: S101 - the standard reader has accepted the text
                self._at = found.end()
                keys.append(found[0])
            self._skip_spaces()
            if self._text[self._at] != ".":
                return tuple(keys)
            self._at += 1

    def _skip_spaces(self) -> None:
        while self._text[self._at] in " \t":
            self._at += 1

    def _skip_value(self) -> None:
        """Go behind a value: to the end of its line, or of the line where its brackets close."""
        depth = 0
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in "\"'":
                self._skip_string()
                continue
            if char == "#":
                self._at = self._end_of_line()
                continue
            if char == "\n" and depth == 0:
                return
            depth += (char in "[{") - (char in "]}")
            self._at += 1

    def _skip_string(self) -> None:
        quote = next(each for each in _STRINGS if self._text.startswith(each, self._at))
        self._at += len(quote)
        while not self._text.startswith(quote, self._at):
            self._at += 2 if self._text[self._at] == "\\" and quote[0] == '"' else 1
        self._at += len(quote)
        # A text in three quotes may end with further ones that belong to it.
        while len(quote) == 3 and self._text.startswith(quote[0], self._at):
            self._at += 1
