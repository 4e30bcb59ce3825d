"""Find what installed packages bring, by name, and import it only when it is asked for.

A gateway has many plugins installed and few in use.  One that cannot be imported
must harm nobody but the nodes that need it, so importing happens one by one and a
failure is kept as an answer: :class:`PluginBroken`, with what went wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable

from flashers.api import FlasherPlugin
from gateway.config.nearest import nearest
from transports.errors import TenderError

FLASHERS = "tender.flashers"
PROFILES = "tender.profiles"
HEALTH = "tender.health"


class PluginBroken(TenderError):
    """A plugin is installed, but cannot be used."""

    code = "plugin-broken"
    remedy = "Install the plugin again, with the packages that it needs, or remove it; see `tender flashers`."


class FlasherUnknown(TenderError):
    """No installed package brings a flasher of this name."""

    code = "flasher-unknown"
    remedy = "`tender flashers` lists those that are installed."


class HookUnknown(TenderError):
    """No installed package brings a health hook of this name."""

    code = "hook-unknown"
    remedy = "Install the package that brings it: its entry point is in the group `tender.health`."


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point and what became of it: exactly one of ``flasher`` and ``broken`` is there."""

    name: str
    package: str
    flasher: FlasherPlugin | None = None
    broken: PluginBroken | None = None


class Registry:
    """The plugins of one installation.

    ``points`` are the entry points to choose from; those of the running environment
    if it is left out.
    """

    def __init__(self, points: Iterable[EntryPoint] | None = None) -> None:
        self._points: dict[str, dict[str, list[EntryPoint]]] = {}
        for group in (FLASHERS, PROFILES, HEALTH):
            found = entry_points(group=group) if points is None else (p for p in points if p.group == group)
            by_name = self._points.setdefault(group, {})
            for point in found:
                known = by_name.setdefault(point.name, [])
                # One package that is seen twice (installed, and in the working folder) is one.
                if all(other.value != point.value for other in known):
                    known.append(point)
        self._flashers: dict[str, FlasherPlugin | PluginBroken] = {}

    def flasher_names(self) -> tuple[str, ...]:
        """Every flasher that some package claims to bring, sorted; nothing is imported."""
        return tuple(sorted(self._points[FLASHERS]))

    def hook_names(self) -> tuple[str, ...]:
        """Every health hook, sorted; nothing is imported."""
        return tuple(sorted(self._points[HEALTH]))

    def flasher(self, name: str) -> FlasherPlugin:
        """The flasher of this name, imported at the first call.

        Raises:
            FlasherUnknown: nobody brings it.
            PluginBroken: it cannot be imported, or is no flasher.
        """
        if name not in self._flashers:
            if name not in self._points[FLASHERS]:
                raise FlasherUnknown(
                    f"there is no flasher {name!r}", remedy=_suggest(name, self.flasher_names())
                )
            try:
                self._flashers[name] = self._load_flasher(name)
            except PluginBroken as broken:
                self._flashers[name] = broken
        found = self._flashers[name]
        if isinstance(found, PluginBroken):
            raise found
        return found

    def flashers(self) -> tuple[Plugin, ...]:
        """All of them, imported as far as that is possible."""
        plugins = []
        for name in self.flasher_names():
            package = self._package(FLASHERS, name)
            try:
                plugins.append(Plugin(name, package, flasher=self.flasher(name)))
            except PluginBroken as broken:
                plugins.append(Plugin(name, package, broken=broken))
        return tuple(plugins)

    def health_hook(self, name: str) -> Callable[..., object]:
        """The health hook of this name.

        Raises:
            HookUnknown: nobody brings it.
            PluginBroken: it cannot be imported, or cannot be called.
        """
        if name not in self._points[HEALTH]:
            raise HookUnknown(f"there is no health hook {name!r}", remedy=_suggest(name, self.hook_names()))
        hook = self._import(HEALTH, name)
        if not callable(hook):
            raise PluginBroken(
                f"the health hook {name!r} is {type(hook).__name__}, nothing that can be called"
            )
        return hook

    def profile_folders(self) -> tuple[tuple[str, Traversable | PluginBroken], ...]:
        """Each package that brings profiles, by entry point name, with the place of its files."""
        folders: list[tuple[str, Traversable | PluginBroken]] = []
        for name in sorted(self._points[PROFILES]):
            try:
                package = self._import(PROFILES, name)
                folders.append((name, files(package)))  # type: ignore[arg-type] # it raises for anything else
            except PluginBroken as broken:
                folders.append((name, broken))
            except (TypeError, AttributeError) as error:
                folders.append((name, PluginBroken(f"the profiles of {name!r} are in no package: {error}")))
        return tuple(folders)

    def _load_flasher(self, name: str) -> FlasherPlugin:
        plugin = self._import(FLASHERS, name)
        if not isinstance(plugin, FlasherPlugin):
            raise PluginBroken(f"the flasher {name!r} is {type(plugin).__name__}, no FlasherPlugin")
        if plugin.name != name:
            raise PluginBroken(f"the flasher {name!r} calls itself {plugin.name!r}; the names must agree")
        return plugin

    def _import(self, group: str, name: str) -> object:
        point, *others = self._points[group][name]
        if others:
            raise PluginBroken(
                f"{name!r} is brought more than once: {self._package(group, name)}",
                remedy="Remove all of these packages but one.",
            )
        try:
            loaded: object = point.load()
        except (Exception, SystemExit) as error:  # what a stranger's module does at import is its own
            raise PluginBroken(f"{name!r} ({point.value}): {type(error).__name__}: {error}") from error
        return loaded

    def _package(self, group: str, name: str) -> str:
        points = self._points[group][name]
        return ", ".join(point.dist.name if point.dist is not None else point.module for point in points)


def _suggest(name: str, known: tuple[str, ...]) -> str | None:
    close = nearest(name, known)
    return None if close is None else f"Did you mean {close!r}?  `tender flashers` lists what is installed."
