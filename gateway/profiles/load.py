"""Every profile that this gateway knows: built-in, from packages, and the site's own.

A later source replaces a profile of the same name, so that a site can adjust a
built-in one; twice in one source is a mistake.  A file that cannot be read breaks
its own profile and no other.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path

from gateway.config.findings import Finding
from gateway.config.nearest import nearest
from gateway.plugins.registry import PluginBroken, Registry
from gateway.profiles.errors import BadProfile, ProfileUnknown
from gateway.profiles.model import Profile
from gateway.profiles.read import ProfileText, read_profile
from gateway.profiles.resolve import Resolved, resolve
from transports.errors import TenderError

BUILT_IN = "built-in"
SITE = "site"


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """Profiles by name; ``broken`` holds what could not be read, by file name without its end.

    ``replaced`` names, for a profile that took another's place, whose place it took.
    """

    registry: Registry
    texts: Mapping[str, ProfileText] = field(default_factory=dict)
    broken: Mapping[str, TenderError] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.texts))

    def text(self, name: str) -> ProfileText:
        """A profile with its file.

        Raises:
            ProfileUnknown: there is none of this name.
            BadProfile: there is, and it could not be read.
        """
        if name in self.texts:
            return self.texts[name]
        if name in self.broken:
            raise self.broken[name]
        close = nearest(name, self.texts)
        hint = f"Did you mean {close!r}?  " if close else ""
        raise ProfileUnknown(f"there is no profile {name!r}", remedy=hint + ProfileUnknown.remedy)

    def get(self, name: str) -> Profile:
        """A profile.  Raises as :meth:`text`."""
        return self.text(name).profile

    def resolve(self, name: str) -> Resolved:
        """A profile's flasher, settings and declaration.

        Raises:
            ProfileUnknown, BadProfile, PluginBroken: it cannot be used.
        """
        return resolve(self.text(name), self.registry)


def load_profiles(folders: Iterable[Path] = (), registry: Registry | None = None) -> ProfileSet:
    """Read every profile there is; ``folders`` are the site's own, later ones winning.

    Nothing is raised for a bad profile: whoever asks for it hears of it.
    """
    registry = registry if registry is not None else Registry()
    collected = _Collected()
    sources = sorted(registry.profile_folders(), key=lambda each: each[0] != "builtin")
    for name, folder in sources:
        if isinstance(folder, PluginBroken):
            collected.broken[name] = folder
            continue
        collected.add(folder.iterdir(), BUILT_IN if name == "builtin" else f"package {name}")
    for path in folders:
        collected.add_site(path)
    return ProfileSet(registry, collected.texts, collected.broken, collected.replaced)


class _Collected:
    def __init__(self) -> None:
        self.texts: dict[str, ProfileText] = {}
        self.broken: dict[str, TenderError] = {}
        self.replaced: dict[str, str] = {}

    def add_site(self, folder: Path) -> None:
        try:
            self.add(list(folder.iterdir()), SITE)
        except OSError as error:
            where = str(folder)
            finding = Finding(
                "profile-unreadable",
                where,
                "",
                f"the folder cannot be read: {error.strerror}",
                "Create it, or correct `profiles`.",
            )
            self.broken[where] = BadProfile(f"1 finding in {where}", [finding])

    def add(self, files: Iterable[Traversable], origin: str) -> None:
        fresh: dict[str, ProfileText] = {}
        for file in sorted(files, key=lambda each: each.name):
            if not file.name.endswith(".toml"):
                continue
            try:
                text = read_profile(_bytes(file), str(file), origin=origin)
                if text.profile.name in fresh:
                    raise _twice(text, fresh[text.profile.name])
            except BadProfile as bad:
                self.broken[file.name.removesuffix(".toml")] = bad
                continue
            fresh[text.profile.name] = text
        for name, text in fresh.items():
            if name in self.texts:
                self.replaced[name] = self.texts[name].origin
            self.texts[name] = text


def _bytes(file: Traversable) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        finding = Finding("profile-unreadable", str(file), "", str(error.strerror), "Make the file readable.")
        raise BadProfile(f"1 finding in {file}", [finding]) from error


def _twice(text: ProfileText, other: ProfileText) -> BadProfile:
    finding = Finding(
        "profile-twice",
        text.where(("name",)),
        "name",
        f"the name {text.profile.name!r} is also that of {other.file}",
        "Give one of the two another name.",
    )
    return BadProfile(f"1 finding in {text.file}", [finding])
