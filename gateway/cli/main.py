"""The command ``tender``: find the command that is meant, import it, and tell errors as people need them.

Nothing is imported but the one command's module, so that help and small questions
are answered at once.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from transports.errors import TenderError


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, what it does, and the module whose ``register`` adds it."""

    name: str
    help: str
    module: str


GROUPS: tuple[tuple[str, tuple[Command, ...]], ...] = (
    (
        "the nodes",
        (
            Command("nodes", "list the nodes and what they run", "gateway.cli.nodes"),
            Command("node", "show a node, take one in, replace, rename or label it", "gateway.cli.nodes"),
            Command("discover", "what is heard on the air, and how it is adopted", "gateway.cli.discovery"),
            Command("zigbee", "Zigbee networks: who may join, who did, backups", "gateway.cli.zigbee"),
            Command("probe", "look at a node now, or at all", "gateway.cli.probe"),
            Command("explain", "why a node is as it is, and what comes next", "gateway.cli.nodes"),
            Command("budget", "what a node was asked to bear within 30 days", "gateway.cli.rollout"),
            Command("recover", "what it takes to have a node back", "gateway.cli.rescue"),
            Command("power", "cut a node's power, or reset it", "gateway.cli.rescue"),
            Command("identify", "have a node show itself", "gateway.cli.rescue"),
        ),
    ),
    (
        "updates",
        (
            Command("deploy", "bring nodes to a release", "gateway.cli.deploy"),
            Command("deployments", "list what was deployed", "gateway.cli.deploy"),
            Command("deployment", "one deployment: waves, and who waits for what", "gateway.cli.rollout"),
            Command("pause", "begin nothing new, of a deployment or of everything", "gateway.cli.rollout"),
            Command("resume", "end a pause, or let a stopped rollout go on", "gateway.cli.rollout"),
            Command("rollback", "bring a node back to its known-good", "gateway.cli.deploy"),
            Command("cancel", "end an attempt or a deployment early", "gateway.cli.attempts"),
            Command("attempts", "list attempts, newest first", "gateway.cli.attempts"),
            Command("attempt", "show one attempt in full", "gateway.cli.attempts"),
            Command("watch", "tell what happens, as it happens", "gateway.cli.watch"),
        ),
    ),
    (
        "releases",
        (
            Command("release", "make, sign, add, list, hold and recall releases", "gateway.cli.releases"),
            Command("baseline", "vouch for firmware that nodes had before", "gateway.cli.releases"),
        ),
    ),
    (
        "the gateway",
        (
            Command("serve", "run the gateway", "gateway.cli.serve"),
            Command("status", "is anything broken, did we do it, and what comes next", "gateway.cli.status"),
            Command("events", "what happened and who ordered it", "gateway.cli.events"),
            Command("trace", "what passed on a node's link", "gateway.cli.trace"),
            Command("doctor", "look for what is wrong here, and say what to do", "gateway.cli.doctor"),
            Command("support-bundle", "what to send to the vendor, without secrets", "gateway.cli.bundle"),
            Command(
                "drain", "begin nothing new, and tell when the plug may be pulled", "gateway.cli.standing"
            ),
            Command("undrain", "begin updates again", "gateway.cli.standing"),
            Command("data", "say that a node's own data was heard", "gateway.cli.standing"),
            Command("links", "who has which link, and whose fault it is if one is dead", "gateway.cli.links"),
            Command("lease", "keep Tender off a link, for your own software or hands", "gateway.cli.links"),
            Command(
                "state", "export and import what the gateway knows, or find it out anew", "gateway.cli.state"
            ),
            Command("config", "every value of the configuration, and where it is from", "gateway.cli.config"),
            Command("profiles", "check, list and show device profiles", "gateway.cli.profiles"),
            Command("flashers", "list the flashers and what they can do", "gateway.cli.flashers"),
        ),
    ),
    (
        "without a service",
        (
            Command("flash", "bring one node to one image", "gateway.cli.flash"),
            Command("virtual", "a virtual node that any tool can talk to", "gateway.cli.virtual"),
            Command(
                "demo", "a fleet of virtual nodes is updated, with every kind of trouble", "gateway.cli.demo"
            ),
        ),
    ),
)

COMMANDS = {command.name: command for _, commands in GROUPS for command in commands}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the answer is the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except TenderError as error:
        return _tell(error, as_json="--json" in arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in {"-h", "--help", "help"}:
        print(_overview())
        return 0 if arguments else 2
    if name == "--version":
        from importlib.metadata import version

        print(f"tender {version('fleet-tender')}")
        return 0
    from gateway.cli.parsing import Parser, UsageError

    if name not in COMMANDS:
        from gateway.config.nearest import nearest

        close = nearest(name, COMMANDS)
        hint = f"Did you mean `tender {close}`?  " if close else ""
        raise UsageError(f"there is no command {name!r}", remedy=f"{hint}`tender --help` lists them.")
    if name == "node" and len(arguments) > 1 and not arguments[1].startswith("-"):
        from gateway.cli.nodes import VERBS

        if arguments[1] not in VERBS:
            arguments.insert(1, "show")
    if name == "attempt" and len(arguments) > 1 and arguments[1].isdecimal():
        arguments.insert(1, "show")
    parser = Parser(prog="tender")
    subparsers = parser.add_subparsers(dest="command")
    import_module(COMMANDS[name].module).register(subparsers)
    parsed = parser.parse_args(arguments)
    code: int = parsed.run(parsed)
    return code


def _overview() -> str:
    lines = [
        "usage: tender COMMAND …",
        "",
        "Keeps the firmware of the microcontrollers behind this gateway current, and proves it.",
    ]
    for title, commands in GROUPS:
        lines += ["", f"{title}:", *(f"  {command.name:<14} {command.help}" for command in commands)]
    lines += [
        "",
        "tender COMMAND --help tells more, with an example.  tender --version tells the version.",
        "",
        "Exit codes: 0 done, 1 trouble, 2 wrong usage or input, 3 to 9 the outcomes of an update,",
        "10 the service is not running.  A time after ~ is of a clock that was not synchronised.",
    ]
    return "\n".join(lines)


def _tell(error: TenderError, *, as_json: bool) -> int:
    from gateway.cli.parsing import exit_code_of

    print(f"tender: {error.code}: {error.message}\n{error.what_to_do}", file=sys.stderr)
    if as_json:
        import json

        told = {"code": error.code, "message": error.message, "remedy": error.what_to_do}
        print(json.dumps({"error": told}))
    return exit_code_of(error)
