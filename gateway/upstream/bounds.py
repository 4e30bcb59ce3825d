"""Make any value fit to be sent: plain JSON, of bounded length and depth.

What is told comes from a journal that may be older than this program, and from
nodes that may say anything.  An event that could not be written down as JSON would
stay at the head of the queue for ever, so nothing here raises.
"""

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TypeVar

T = TypeVar("T")

TEXT_MAX = 1000
"""Characters of a text; a longer one ends in an ellipsis."""
ITEMS_MAX = 256
"""Entries of a list or an object."""
DEPTH_MAX = 6

_INTEGER_MAX = 2**63 - 1
"""What readers of JSON commonly keep exactly, or at least read at all."""


def cut(text: str, limit: int = TEXT_MAX) -> str:
    """The text, or its beginning with an ellipsis; always encodable as UTF-8."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


class Plain:
    """Turns values into JSON's kinds; ``shortened`` says whether anything was left out on the way."""

    def __init__(self, *, text_max: int = TEXT_MAX, items_max: int = ITEMS_MAX) -> None:
        self.shortened = False
        self._text_max = text_max
        self._items_max = items_max

    def value(self, value: object, depth: int = 0) -> object:
        """A value of ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and None."""
        match value:
            case None | bool():
                return value
            case Enum():
                return self.value(value.value, depth)
            case int():
                return int(value) if abs(value) <= _INTEGER_MAX else self._text(hex(value))
            case float():
                return float(value) if math.isfinite(value) else None
            case str():
                return self._text(value)
            case bytes():
                return self._text(value.hex())
            case _:
                return self._many(value, depth)

    def _many(self, value: object, depth: int) -> object:
        if depth >= DEPTH_MAX:
            self.shortened = True
            return None
        if isinstance(value, Mapping):
            return {
                cut(str(key), 100): self.value(item, depth + 1) for key, item in self._some(value.items())
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in self._some(value)]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        short = cut(text, self._text_max)
        self.shortened |= len(short) < len(text)
        return short

    def _some(self, items: Iterable[T]) -> list[T]:
        found = list(items)
        self.shortened |= len(found) > self._items_max
        return found[: self._items_max]
