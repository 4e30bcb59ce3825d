"""``tender flashers``: what is installed, and what each of them can do."""

import argparse
from typing import TYPE_CHECKING, Any

from gateway.cli.parsing import add_command
from gateway.cli.tables import print_facts, print_json

if TYPE_CHECKING:
    from gateway.plugins.registry import Plugin
    from gateway.profiles.load import ProfileSet


def register(subparsers: Any) -> None:
    """Add ``flashers``."""
    parser = add_command(
        subparsers,
        "flashers",
        _flashers,
        help="list the flashers and what they can do",
        example="tender flashers stk500",
        asks_service=False,
    )
    parser.add_argument("name", nargs="?", help="only this one")


def _flashers(arguments: argparse.Namespace) -> int:
    from gateway.plugins.registry import Registry
    from gateway.profiles.load import load_profiles

    registry = Registry()
    if arguments.name is not None and arguments.name not in registry.flasher_names():
        registry.flasher(arguments.name)  # it says what is wrong with the name
    profiles = load_profiles((), registry)
    told = [
        _plain(plugin, profiles) for plugin in registry.flashers() if arguments.name in (None, plugin.name)
    ]
    if arguments.json:
        print_json(told)
        return 0
    for number, each in enumerate(told):
        if number:
            print()
        print_facts(_facts(each))
    return 0


def _plain(plugin: "Plugin", profiles: "ProfileSet") -> dict[str, Any]:
    told: dict[str, Any] = {"name": plugin.name, "package": plugin.package}
    if plugin.flasher is None:
        broken = plugin.broken
        assert broken is not None  # noqa: S101 - one of the two is there
        error = {"code": broken.code, "message": broken.message, "remedy": broken.what_to_do}
        return {**told, "state": "broken", "error": error}
    told |= {"state": "ok", "summary": plugin.flasher.summary, "faults": dict(plugin.flasher.faults)}
    told["params"] = list(plugin.flasher.params.model_fields)
    told["abilities"] = {
        name: _abilities(profiles, name) for name in profiles if profiles.get(name).flasher == plugin.name
    }
    return told


def _abilities(profiles: "ProfileSet", name: str) -> dict[str, Any]:
    """What a flasher declares depends on its settings; so it is told for each profile."""
    from dataclasses import fields

    from transports.errors import TenderError

    try:
        declared = profiles.resolve(name).declaration
    except TenderError as error:
        return {"error": {"code": error.code, "message": error.message, "remedy": error.what_to_do}}
    values = {field.name: getattr(declared, field.name) for field in fields(declared)}
    return {
        key: sorted(map(str, value)) if isinstance(value, frozenset) else value
        for key, value in values.items()
    }


def _facts(told: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [("flasher", told["name"]), ("from", told["package"]), ("state", told["state"])]
    if told["state"] == "broken":
        return [*facts, ("why", f"{told['error']['message']}\n{told['error']['remedy']}")]
    facts += [("", told["summary"]), ("params", ", ".join(told["params"]))]
    for profile, can in told["abilities"].items():
        facts.append((f"as {profile}", _sentence(can)))
    if told["faults"]:
        width = max(map(len, told["faults"]))
        lines = [f"{name:<{width}}  {means}" for name, means in told["faults"].items()]
        facts.append(("faults", "\n".join(lines)))
    return facts


def _sentence(can: dict[str, Any]) -> str:
    if "error" in can:
        return f"{can['error']['code']}: {can['error']['message']}"
    boot = ", ".join(can["boot_evidence"]) or "cannot be proved"
    return (
        f"over {', '.join(can['media'])}; formats: {', '.join(can['formats'])}\n"
        f"rollback: {', '.join(can['rollback']) or 'none'}; resumes: {can['resume']}\n"
        f"transfer: {', '.join(can['transfer_evidence']) or 'cannot be proved'}; boot: {boot}\n"
        f"a look costs: {can['probe_cost']}; exposure: {can['exposure']}; activation: {can['activation']}"
    )
