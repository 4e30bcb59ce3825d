"""What all commands have in common: how they are described, and how they fail."""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from transports.errors import TenderError

if TYPE_CHECKING:
    from gateway.api.client import Client

Run = Callable[[argparse.Namespace], int]

TROUBLE = 1
USAGE = 2
NO_SERVICE = 10


class UsageError(TenderError):
    """The command was not called as it has to be."""

    code = "usage"
    remedy = "See `tender COMMAND --help`."


class Parser(argparse.ArgumentParser):
    """Tells wrong usage like every other error."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(message, remedy=f"{self.format_usage().strip()}\n`{self.prog} --help` tells more.")


def add_command(
    subparsers: Any,  # argparse has no public type for it
    name: str,
    run: Run,
    *,
    help: str,  # noqa: A002 - the same word as in argparse
    example: str,
    asks_service: bool = True,
) -> argparse.ArgumentParser:
    """A command with ``--json``, an example in its help and, if it asks the service, ``--socket``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    if asks_service:
        parser.add_argument("--socket", type=Path, metavar="PATH", help="of the service's local API")
    parser.set_defaults(run=run)
    return parser


def add_group(subparsers: Any, name: str, *, help: str) -> Any:  # noqa: A002 - as above
    """A command that is nothing but its verbs."""
    parser = subparsers.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    return parser.add_subparsers(dest="verb", required=True, metavar="VERB")


def client(arguments: argparse.Namespace) -> "Client":
    """The service: by ``--socket``, ``TENDER_SOCKET``, the configuration, or in the usual place."""
    from gateway.api.client import Client

    return Client(arguments.socket or socket_path(os.environ))


def socket_path(environment: Mapping[str, str]) -> Path:
    """Where the service listens, without reading all of the configuration.

    A file that cannot be read is the service's trouble, and is told by it.
    """
    given = environment.get("TENDER_SOCKET")
    if given:
        return Path(given)
    from gateway.config.defaults import CONFIG_FILE, SOCKET_FILE, drop_ins

    file = Path(environment.get("TENDER_CONFIG") or CONFIG_FILE)
    found: object = None
    for each in (file, *sorted(drop_ins(file).glob("*.toml"))):
        try:
            text = each.read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if "socket" in text:
            import tomllib

            try:
                found = tomllib.loads(text).get("socket", found)
            except tomllib.TOMLDecodeError:
                continue
    return Path(found) if isinstance(found, str) else SOCKET_FILE


def config_path(arguments: argparse.Namespace) -> Path | None:
    """The configuration's file: by ``--config``, ``TENDER_CONFIG``, or the usual place if there is one."""
    from gateway.config.defaults import CONFIG_FILE

    given = arguments.config or os.environ.get("TENDER_CONFIG")
    if given:
        return Path(given)
    return CONFIG_FILE if CONFIG_FILE.exists() else None


def exit_code_of(error: TenderError) -> int:
    """10 if the service is not there; 2 if what was asked was wrong; 1 if it may go well another time."""
    if error.code in {"service-not-running", "service-denied"}:
        return NO_SERVICE
    return TROUBLE if error.retryable or error.code == "internal" else USAGE
