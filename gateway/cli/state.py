"""``tender state``: export and import what the gateway knows, look into an export, find things out anew."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli import text
from gateway.cli.config import add_config_flags, flags
from gateway.cli.parsing import UsageError, add_command, add_group, client, config_path
from gateway.cli.tables import print_facts, print_json, print_table

if TYPE_CHECKING:
    from gateway.config.model import Config
    from gateway.state.contents import Contents
    from gateway.state.keys import Opener, Seal

_PASSPHRASE_BYTES = 4096


def register(subparsers: Any) -> None:
    """Add the verbs of ``state``."""
    verbs = add_group(
        subparsers, "state", help="export and import what the gateway knows, or find it out anew"
    )
    export = add_command(
        verbs,
        "export",
        _export,
        help="write all that the gateway knows to one sealed file; the service may be running",
        example="tender state export /media/usb/cellar.tender-state --to x25519:…",
        asks_service=False,
    )
    export.add_argument("file", type=Path)
    export.add_argument(
        "--with-artifacts",
        choices=("known-good", "all", "none"),
        default="known-good",
        help="which firmware goes along (known-good: what nodes may need to go back or on)",
    )
    export.add_argument("--to", metavar="x25519:…", help="seal it to this recipient (`tender state keygen`)")
    _add_passphrase(export)
    add_config_flags(export)
    take = add_command(
        verbs,
        "import",
        _import,
        help="put an export in the place of the state folder's contents; the service must be stopped",
        example="tender state import cellar.tender-state --key cellar-key.pem",
        asks_service=False,
    )
    take.add_argument("file", type=Path)
    take.add_argument("--replace", action="store_true", help="also if there is a journal; it is put aside")
    take.add_argument("--from-other-gateway", action="store_true", help="also if it is of another name")
    take.add_argument(
        "--no-restarts",
        action="store_true",
        help="ask no node what it runs where that restarts its application",
    )
    _add_opener(take)
    add_config_flags(take)
    verify = add_command(
        verbs,
        "verify",
        _verify,
        help="see that an export is whole, and what is in it",
        example="tender state verify cellar.tender-state --key cellar-key.pem",
        asks_service=False,
    )
    verify.add_argument("file", type=Path)
    _add_opener(verify)
    keygen = add_command(
        verbs,
        "keygen",
        _keygen,
        help="make a key for exports: the private half in a file, the public half for the configuration",
        example="tender state keygen cellar-key.pem",
        asks_service=False,
    )
    keygen.add_argument("file", type=Path, help="of the private half; keep it away from the gateway")
    add_command(
        verbs,
        "show",
        _show,
        help="where the state is from, and what is not known",
        example="tender state show",
    )
    rebuild = add_command(
        verbs,
        "rebuild",
        _rebuild,
        help="ask every node what it runs, and find known-goods in signed releases",
        example="tender state rebuild --allow-restart",
    )
    rebuild.add_argument(
        "--allow-restart", action="store_true", help="also nodes whose application restarts for it"
    )


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="its first line is the passphrase"
    )
    parser.add_argument("--passphrase-env", metavar="NAME", help="the variable that holds the passphrase")
    parser.add_argument(
        "--passphrase-stdin", action="store_true", help="read the passphrase's line from stdin"
    )


def _add_opener(parser: argparse.ArgumentParser) -> None:
    _add_passphrase(parser)
    parser.add_argument("--key", type=Path, metavar="FILE", help="the private key of the recipient")


# Making


def _export(arguments: argparse.Namespace) -> int:
    from gateway.api.client import ServiceNotRunning

    seal = _seal(arguments)
    config = _config(arguments)
    if not arguments.file.absolute().parent.is_dir():
        raise UsageError(
            f"there is no folder {arguments.file.parent}", remedy="Name a file in one that is there."
        )
    try:
        size = _export_running(arguments, config, seal)
        by = "the running service"
    except ServiceNotRunning:
        from gateway.state.exporting import config_for_reference, export_stopped

        made = asyncio.run(
            export_stopped(
                config.gateway.name,
                config.state,
                arguments.file.absolute(),
                seal,
                arguments.with_artifacts,
                config_for_reference(config),
            )
        )
        size, by = made.size, "the files of the stopped service"
    if arguments.json:
        print_json({"file": str(arguments.file), "bytes": size, "sealed": seal.table.kind, "from": by})
    else:
        print(f"Exported {text.size(size)} to {arguments.file}, from {by}, sealed by {_sealed(seal)}.")
    return 0


def _export_running(arguments: argparse.Namespace, config: "Config", seal: "Seal") -> int:
    """Let the service make it; the file is whole under its name, or not there."""
    from gateway.api.client import Client

    socket = Path(arguments.socket) if arguments.socket else None
    if socket is None:
        socket = Path(os.environ["TENDER_SOCKET"]) if "TENDER_SOCKET" in os.environ else config.socket
    body = {
        "seal": seal.table.model_dump(exclude_none=True),
        "secret": seal.secret.hex(),
        "artifacts": arguments.with_artifacts,
    }
    target: Path = arguments.file
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            size = Client(socket).download(file, "state", "export", body=body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}", remedy="Name a file that can be written.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return size


def _keygen(arguments: argparse.Namespace) -> int:
    from gateway.state.keys import keygen

    recipient = keygen(arguments.file)
    if arguments.json:
        print_json({"file": str(arguments.file), "recipient": str(recipient)})
        return 0
    print(recipient)
    print(
        f"The private half is in {arguments.file}: keep it, and keep it away from the gateway.",
        file=sys.stderr,
    )
    return 0


# Taking in


def _import(arguments: argparse.Namespace) -> int:
    from gateway.state.importing import import_state

    config = _config(arguments)
    imported = asyncio.run(
        import_state(
            arguments.file,
            _opener(arguments),
            config.state,
            config.gateway.name,
            replace=arguments.replace,
            other_gateway=arguments.from_other_gateway,
            ask_all=not arguments.no_restarts,
        )
    )
    if arguments.json:
        print_json(_as_json(imported.contents) | {"epoch": imported.epoch, "lacking": list(imported.lacking)})
        return 0
    print(f"Imported into {config.state}.")
    print_facts(_facts(imported.contents, imported.lacking))
    print("\nStart the service: every node is asked what it really runs before anything is done to it.")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from gateway.state.importing import look_into

    contents = asyncio.run(look_into(arguments.file, _opener(arguments)))
    if arguments.json:
        print_json(_as_json(contents))
    else:
        print_facts(_facts(contents, contents.lacking))
    return 0


def _as_json(contents: "Contents") -> dict[str, Any]:
    fields = contents.model_dump(mode="json")
    fields["members"] = len(contents.members)
    return fields


def _facts(contents: "Contents", lacking: tuple[str, ...]) -> list[tuple[str, str]]:
    size = sum(member.size for member in contents.members)
    firmware = sum(member.name.startswith(("store/", "backups/")) for member in contents.members)
    made = {"unix_ms": contents.made_ms, "synchronised": contents.made_synchronised}
    return [
        ("gateway", contents.gateway),
        ("made", f"{text.ago(made)}, by Tender {contents.tender}"),
        ("nodes", str(contents.nodes)),
        ("known-goods", str(contents.known_goods)),
        ("open attempts", str(contents.open_attempts)),
        ("contents", f"{len(contents.members)} files, {text.size(size)}; {firmware} of firmware"),
        ("lacking", "\n".join(lacking) or "nothing that nodes need"),
    ]


# Asking the service


def _show(arguments: argparse.Namespace) -> int:
    return _tell(client(arguments).get("state"), arguments)


def _rebuild(arguments: argparse.Namespace) -> int:
    body = {"allow_restart": arguments.allow_restart}
    asking = client(arguments)
    view = asking.post("state", "rebuild", body=body)
    # Nodes are asked a few at a time; what does not answer soon is told as silent.
    end = time.monotonic() + _REBUILD_S
    while any(each["state"] == "open" for each in view["asked"]) and time.monotonic() < end:
        time.sleep(_ASK_AGAIN_S)
        view = asking.get("state")
    return _tell(view, arguments)


_REBUILD_S, _ASK_AGAIN_S = 300.0, 0.5


def _tell(view: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(view)
        return 0
    facts = [("epoch", str(view["epoch"]))]
    facts += [("from", _origin(each)) for each in view["origins"]]
    if view["exports_to"]:
        facts.append(("exports", f"{view['exports_to']}; the last: {view['last_export'] or 'none yet'}"))
    if view["export_trouble"]:
        facts.append(("trouble", f"{view['export_trouble']['message']}\n{view['export_trouble']['remedy']}"))
    facts += [("source", f"{each['message']}\n{each['remedy']}".rstrip()) for each in view["sources"]]
    print_facts(facts)
    if view["asked"]:
        print()
        print_table(
            ("node", "asked", "runs", "known-good", "why"),
            (
                (
                    each["node"],
                    each["state"],
                    ", ".join(f"{name} {what}" for name, what in each["runs"].items()),
                    ", ".join(f"{name} {word}" for name, word in each["known_good"].items()),
                    "; ".join(reason["message"] for reason in each["reasons"]),
                )
                for each in view["asked"]
            ),
            empty="",
        )
    return 0


def _origin(origin: dict[str, Any]) -> str:
    facts = origin["facts"]
    if origin["kind"] == "import":
        made = {"unix_ms": facts["made_ms"], "synchronised": facts["made_synchronised"]}
        return f"an export of {facts['gateway']}, made {text.ago(made)}"
    counts = ", ".join(f"{facts[key]} {key}" for key in ("asked", "known_goods", "unknown") if key in facts)
    return f"rebuilt: {counts or 'under way'}"


# What it is sealed with


def _seal(arguments: argparse.Namespace) -> "Seal":
    from gateway.state.keys import Recipient, Seal

    passphrase = _passphrase(arguments)
    if (passphrase is None) == (arguments.to is None):
        raise UsageError(
            "say with what it is sealed, in one way",
            remedy="--to RECIPIENT, --passphrase-file FILE, --passphrase-env NAME, or --passphrase-stdin.",
        )
    if passphrase is not None:
        return Seal.by_passphrase(passphrase)
    return Seal.to(Recipient.parse(arguments.to))


def _opener(arguments: argparse.Namespace) -> "Opener":
    from gateway.state.keys import Opener

    passphrase = _passphrase(arguments)
    if (passphrase is None) == (arguments.key is None):
        raise UsageError(
            "say with what it is opened, in one way",
            remedy="--key FILE, --passphrase-file FILE, --passphrase-env NAME, or --passphrase-stdin.",
        )
    return Opener(passphrase=passphrase, key_file=arguments.key)


def _passphrase(arguments: argparse.Namespace) -> str | None:
    """From a file, a variable or standard input: what stands on a command line, everybody can read."""
    ways = (arguments.passphrase_file, arguments.passphrase_env, arguments.passphrase_stdin or None)
    if sum(way is not None for way in ways) > 1:
        raise UsageError("the passphrase is given twice", remedy="Give it in one way.")
    if arguments.passphrase_file is not None:
        try:
            with arguments.passphrase_file.open("rb") as file:
                data = file.read(_PASSPHRASE_BYTES)
        except OSError as error:
            where = arguments.passphrase_file
            raise UsageError(f"{where}: {error.strerror}", remedy="Name a file that can be read.") from error
    elif arguments.passphrase_env is not None:
        given = os.environ.get(arguments.passphrase_env)
        if given is None:
            raise UsageError(
                f"there is no variable {arguments.passphrase_env}", remedy="Set it, or name another."
            )
        data = os.fsencode(given)
    elif arguments.passphrase_stdin:
        data = sys.stdin.buffer.readline(_PASSPHRASE_BYTES)
    else:
        return None
    lines = data.splitlines()
    try:
        passphrase = lines[0].decode() if lines else ""
    except UnicodeDecodeError as error:
        raise UsageError("the passphrase is no text in UTF-8", remedy="Give one that is.") from error
    if not passphrase:
        raise UsageError("the passphrase is empty", remedy="Give one of several words.")
    return passphrase


def _sealed(seal: "Seal") -> str:
    return "a passphrase" if seal.table.kind == "scrypt" else "the recipient's key"


def _config(arguments: argparse.Namespace) -> "Config":
    from gateway.config.load import load_config

    return load_config(config_path(arguments), flags=flags(arguments)).config
