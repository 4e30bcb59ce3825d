"""Say everything that is wrong with one profile file."""

from pathlib import Path

from gateway.config.findings import Finding
from gateway.plugins.registry import PluginBroken, Registry
from gateway.profiles.errors import BadProfile
from gateway.profiles.read import MAX_PROFILE, read_profile
from gateway.profiles.resolve import resolve


def check_profile(file: Path, registry: Registry) -> tuple[Finding, ...]:
    """Every finding, none if the profile can be used here."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_PROFILE + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        return (Finding("profile-unreadable", str(file), "", reason, "Give the path of a readable file."),)
    try:
        text = read_profile(data, str(file))
        resolve(text, registry)
    except BadProfile as bad:
        return bad.findings
    except PluginBroken as broken:
        return (Finding(broken.code, str(file), "flasher", broken.message, broken.what_to_do),)
    return ()
