"""``tender serve``: run the gateway until it is asked to stop."""

import argparse
import asyncio
import logging
import os
import sys
from typing import Any

from gateway.cli.config import add_config_flags, flags
from gateway.cli.notify import notify
from gateway.cli.parsing import add_command, config_path


def register(subparsers: Any) -> None:
    """Add ``serve``."""
    parser = add_command(
        subparsers,
        "serve",
        _serve,
        help="run the gateway until it is asked to stop (SIGTERM, Ctrl-C)",
        example="tender serve --config gateway.toml",
        asks_service=False,
    )
    add_config_flags(parser)
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="as log.level")


def _serve(arguments: argparse.Namespace) -> int:
    from gateway.app import serve
    from gateway.config.load import load_config
    from gateway.service.standing.manager import ServiceManager, watchdog_period

    said = flags(arguments)
    if arguments.log_level is not None:
        said["log.level"] = (arguments.log_level, "--log-level")
    loaded = load_config(config_path(arguments), flags=said)
    _start_log(loaded.config.log.level)
    for sentence in loaded.aside:
        logging.getLogger("tender.config").warning(sentence)
    manager = ServiceManager(notify, watchdog_period(os.environ, os.getpid()))
    return asyncio.run(serve(loaded.config, manager=manager))


def _start_log(level: str) -> None:
    """Lines on standard error; the journal of the service manager has its own clock."""
    form = "%(levelname)s %(name)s %(message)s"
    if "JOURNAL_STREAM" not in os.environ:
        form = f"%(asctime)s {form}"
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=form)
    # Their INFO is our DEBUG.
    if level != "debug":
        for library in ("aiohttp", "asyncio", "mqtt"):
            logging.getLogger(library).setLevel(logging.WARNING)
        # What zigpy warns of (a sender that it does not know yet, a port that is gone) is said by us.
        for library in ("zigpy", "zigpy_znp", "bellows", "zigpy_deconz", "zigpy_xbee", "zigpy_zigate"):
            logging.getLogger(library).setLevel(logging.ERROR)
