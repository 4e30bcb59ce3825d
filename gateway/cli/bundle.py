"""``tender support-bundle``: what to send to the vendor."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from gateway.cli.parsing import TROUBLE, UsageError, add_command, config_path, socket_path
from gateway.cli.tables import print_json


def register(subparsers: Any) -> None:
    """Add ``support-bundle``."""
    parser = add_command(
        subparsers,
        "support-bundle",
        _bundle,
        help="write one archive to send to the vendor: everything that helps, without secrets and images",
        example="journalctl -u tender > tender.log; sudo tender support-bundle --log tender.log",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (tender-support-TIME.tar.gz here)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="a log whose end is put in, redacted")
    parser.add_argument("--attempts", type=int, default=50, metavar="N", help="the newest so many (50)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the main file (/etc/tender/gateway.toml)"
    )


def _bundle(arguments: argparse.Namespace) -> int:
    from gateway.support.bundle import collect, manifest, write
    from gateway.support.ground import look_around

    out = arguments.out or Path(time.strftime("tender-support-%Y%m%d-%H%M%S.tar.gz"))
    ground = look_around(config_path(arguments), arguments.socket or socket_path(os.environ))
    bundle = collect(ground, dict(os.environ), attempts=max(0, arguments.attempts), log=arguments.log)
    try:
        write(bundle, out)
    except FileExistsError as error:
        raise UsageError(f"{out} is there already", remedy="Give another --out.") from error
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}", remedy="Give an --out that you may write.") from error
    if arguments.json:
        print_json({"file": str(out), "holds": sorted(bundle.files), "left_out": bundle.left_out})
    else:
        print(manifest(bundle))
        print(f"Written to {out} ({out.stat().st_size} bytes).  Look through it before you send it.")
    return TROUBLE if not bundle.files else 0
