"""``tender profiles check | list | show``: device profiles, without a service."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.parsing import add_command, add_group, config_path
from gateway.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from gateway.profiles.load import ProfileSet


def register(subparsers: Any) -> None:
    """Add the verbs of ``profiles``."""
    verbs = add_group(subparsers, "profiles", help="check, list and show device profiles")
    check = add_command(
        verbs,
        "check",
        _check,
        help="say what is wrong in a profile, where, and what would be right; exit 1 if anything is",
        example="tender profiles check my-sensor.toml",
        asks_service=False,
    )
    check.add_argument("file", type=Path, nargs="+")
    listing = add_command(
        verbs,
        "list",
        _list,
        help="list the profiles, and what of them cannot be used",
        example="tender profiles list",
        asks_service=False,
    )
    show = add_command(
        verbs,
        "show",
        _show,
        help="show a profile with every value, also those it leaves out",
        example="tender profiles show optiboot-atmega328p",
        asks_service=False,
    )
    show.add_argument("profile")
    for parser in (listing, show):
        parser.add_argument("--config", type=Path, metavar="FILE", help="for the site's own profiles")


def _check(arguments: argparse.Namespace) -> int:
    from gateway.plugins.registry import Registry
    from gateway.profiles.check import check_profile

    registry = Registry()
    found = {str(file): check_profile(file, registry) for file in arguments.file}
    if arguments.json:
        names = ("code", "where", "key", "message", "remedy")
        print_json(
            {
                file: [{name: getattr(finding, name) for name in names} for finding in findings]
                for file, findings in found.items()
            }
        )
    else:
        for file, findings in found.items():
            for finding in findings:
                print(finding)
            if not findings:
                print(f"{file}: good")
    return 1 if any(found.values()) else 0


def _list(arguments: argparse.Namespace) -> int:
    profiles = _profiles(arguments)
    told = [_line(profiles, name) for name in profiles]
    told += [
        {"name": name, "flasher": "", "from": "", "summary": "", "error": _error(error)}
        for name, error in sorted(profiles.broken.items())
    ]
    if arguments.json:
        print_json(told)
        return 0
    print_table(
        ("profile", "flasher", "state", "from", "summary"),
        (
            (
                each["name"],
                each["flasher"] or "-",
                "broken" if each["error"] else "ok",
                each["from"] or "-",
                each["error"]["message"].splitlines()[-2 if "\n" in each["error"]["message"] else 0].strip()
                if each["error"]
                else each["summary"],
            )
            for each in told
        ),
        empty="No profiles.",
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    profiles = _profiles(arguments)
    found = profiles.text(arguments.profile)
    values = found.profile.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not any(values["discovery"].values()):
        del values["discovery"]  # an empty table is none
    if arguments.json:
        print_json({"file": found.file, "from": found.origin, "profile": values})
        return 0
    from gateway.profiles.write import as_toml

    print(f"# {found.origin}: {found.file}")
    print(as_toml(values), end="")
    profiles.resolve(arguments.profile)  # what is wrong with it comes after it was shown
    return 0


def _profiles(arguments: argparse.Namespace) -> "ProfileSet":
    from gateway.config.load import load_config
    from gateway.profiles.load import load_profiles

    return load_profiles(load_config(config_path(arguments)).config.profiles)


def _line(profiles: "ProfileSet", name: str) -> dict[str, Any]:
    from transports.errors import TenderError

    found = profiles.texts[name]
    error = None
    try:
        profiles.resolve(name)
    except TenderError as trouble:
        error = _error(trouble)
    origin = found.origin
    if name in profiles.replaced:
        origin += f", replaces {profiles.replaced[name]}"
    profile = found.profile
    return {
        "name": name,
        "flasher": profile.flasher,
        "from": origin,
        "summary": profile.summary,
        "error": error,
    }


def _error(error: Any) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "remedy": error.what_to_do}
