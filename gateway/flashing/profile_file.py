"""A profile by name, or as a file that somebody is just writing."""

from dataclasses import replace
from pathlib import Path

from gateway.plugins.registry import Registry
from gateway.profiles.load import ProfileSet, load_profiles
from gateway.profiles.read import read_profile


def profiles_with(name: str, registry: Registry) -> tuple[ProfileSet, str]:
    """Every profile, and the name of the one that was asked for by name or by path.

    Raises:
        BadProfile: the file is no profile.
    """
    profiles = load_profiles((), registry)
    if not name.endswith(".toml"):
        profiles.text(name)
        return profiles, name
    path = Path(name)
    text = read_profile(path.read_bytes(), str(path))
    return replace(profiles, texts={**profiles.texts, text.profile.name: text}), text.profile.name
