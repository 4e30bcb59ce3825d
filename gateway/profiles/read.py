"""From a TOML text to a profile, or to a list of everything that is wrong with it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.config.findings import Finding, from_validation
from gateway.config.positions import Path, key_lines, line_of
from gateway.config.syntax import syntax_error
from gateway.profiles.errors import BadProfile
from gateway.profiles.model import PROFILE_SCHEMA, Profile

MAX_PROFILE = 64 * 1024
"""Bytes of a profile; the largest sensible one is a hundredth of that."""


@dataclass(frozen=True, slots=True)
class ProfileText:
    """A profile and the lines of its file; ``origin`` is ``built-in``, a package, or ``site``."""

    profile: Profile
    file: str
    origin: str
    lines: Mapping[Path, int]

    def where(self, path: Path) -> str:
        """The place of a key, as ``file:line``."""
        return place(self.file, self.lines, path)


def place(file: str, lines: Mapping[Path, int], path: Path) -> str:
    """``file:line`` of a key, or of the table around it; the file alone where neither is written."""
    line = line_of(lines, path)
    return file if line is None else f"{file}:{line}"


def read_profile(data: bytes, file: str, *, origin: str = "site") -> ProfileText:
    """Read one profile; ``file`` is for people only.

    Raises:
        BadProfile: with every finding.
    """
    text, table = _toml(data, file)
    lines = key_lines(text)
    schema = table.get("schema")
    if isinstance(schema, int) and schema > PROFILE_SCHEMA:
        raise _bad(
            file,
            place(file, lines, ("schema",)),
            "profile-too-new",
            f"it is of format {schema}; this Tender reads formats up to {PROFILE_SCHEMA}",
            "Upgrade Tender, or use the profile that was made for this version.",
        )
    try:
        # Lax, since TOML has few types; what may be coerced is listed by the model.
        profile = Profile.model_validate(table)
    except ValidationError as error:
        found = from_validation(error, Profile, lambda path: place(file, lines, path), family="profile")
        raise BadProfile(_summary(file, len(found)), found) from error
    return ProfileText(profile, file, origin, lines)


def _toml(data: bytes, file: str) -> tuple[str, dict[str, object]]:
    if len(data) > MAX_PROFILE:
        raise _bad(
            file, file, "profile-too-large", f"it has {len(data)} bytes", f"At most {MAX_PROFILE} bytes."
        )
    try:
        text = data.decode()
        return text, tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        message, where = syntax_error(error, file)
        raise _bad(
            file, where, "profile-syntax", message, "Correct the line; see https://toml.io."
        ) from error


def _bad(file: str, where: str, code: str, message: str, remedy: str) -> BadProfile:
    return BadProfile(_summary(file, 1), [Finding(code, where, "", message, remedy)])


def _summary(file: str, count: int) -> str:
    return f"{count} finding{'s' if count != 1 else ''} in {file}"
