"""The layers that a configuration is made of, and who said what.

From weak to strong: what is built in, the file, the drop-in files in the order of
their names, the environment, the flags of the command.  Tables are merged, every
other value is replaced as a whole.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config.positions import Path

Tree = dict[str, Any]
"""A table as TOML gives it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says; ``where`` tells the place of a key in it, for people."""

    tree: Tree
    where: Callable[[Path], str]


@dataclass(slots=True)
class Merged:
    """All layers as one tree, and for each place in it who said so last."""

    tree: Tree = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)

    def add(self, layer: Layer) -> None:
        """Put a stronger layer on top."""
        self._merge(self.tree, layer.tree, (), layer)

    def where(self, path: Path) -> str:
        """Who said this, or said the table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return "configuration"

    def _merge(self, into: Tree, tree: Mapping[str, Any], above: Path, layer: Layer) -> None:
        for key, value in tree.items():
            place = (*above, key)
            self.origins[place] = layer.where(place)
            if isinstance(value, dict):
                if not isinstance(into.get(key), dict):
                    into[key] = {}
                self._merge(into[key], value, place, layer)
            else:
                if isinstance(into.get(key), dict):
                    self._forget(place)
                into[key] = value

    def _forget(self, place: Path) -> None:
        below = [path for path in self.origins if path[: len(place)] == place and path != place]
        for path in below:
            del self.origins[path]


def merge(layers: Iterable[Layer]) -> Merged:
    """All layers, weak ones first."""
    merged = Merged()
    for layer in layers:
        merged.add(layer)
    return merged
