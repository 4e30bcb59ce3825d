"""``tender virtual``: a virtual node that any tool can talk to, on a real medium, until Ctrl-C."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli import mesh
from gateway.cli.air import EPILOG, WORD, run_air
from gateway.cli.parsing import UsageError, add_command, config_path
from gateway.cli.tables import print_facts, print_json

if TYPE_CHECKING:
    from flashers.api import Component, VirtualNode
    from gateway.cli.faults import Faults
    from gateway.profiles.model import Profile
    from gateway.profiles.resolve import Resolved
    from transports.virtual.faults import FaultPlan
    from transports.virtual.pty import PtyHost
    from transports.virtual.tcp import TcpHost

_SMALL = 512
"""Bytes of the application; it fits into the flash of every virtual node that makes sense."""


def register(subparsers: Any) -> None:
    """Add ``virtual``."""
    parser = add_command(
        subparsers,
        "virtual",
        _virtual,
        help="a virtual node that any tool can talk to, or a radio full of them, until Ctrl-C",
        example="tender virtual optiboot-atmega328p --pty /tmp/ttyV0 --flash old.hex --fault power-cut@40",
        asks_service=False,
    )
    parser.epilog = f"{parser.epilog}\n{EPILOG}{mesh.EPILOG}"
    parser.add_argument("profile", help="its type: a profile's name; or `air` or `zigbee`, and a file")
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="after `air`, `zigbee`: what is on it"
    )
    parser.add_argument("--tell", metavar="ORDER", help="after FILE: an order to the one that runs")
    medium = parser.add_mutually_exclusive_group()
    medium.add_argument(
        "--pty", type=Path, metavar="PATH", help="a pseudo-terminal; PATH becomes a link to it"
    )
    medium.add_argument("--tcp", metavar="HOST:PORT", help="a TCP socket; port 0 takes a free one")
    medium.add_argument("--rfc2217", metavar="HOST:PORT", help="the same with modem lines (RFC 2217)")
    parser.add_argument(
        "--flash",
        action="append",
        default=[],
        metavar="[COMPONENT=]FILE",
        help="firmware that it has to begin with; without it, a small healthy application",
    )
    parser.add_argument("--blank", action="store_true", help="no firmware, but for what --flash gives")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="what goes wrong; repeatable (see --list-faults)",
    )
    parser.add_argument("--list-faults", action="store_true", help="tell all that can go wrong, and end")
    parser.add_argument("--baud", type=int, metavar="N", help="as slow as a line of N bits per second")
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds each way")
    parser.add_argument("--config", type=Path, metavar="FILE", help="for the site's own profiles")


def _virtual(arguments: argparse.Namespace) -> int:
    if arguments.profile == WORD:
        return run_air(arguments)
    if arguments.profile == mesh.WORD:
        return mesh.run_mesh(arguments)
    if arguments.file is not None or arguments.tell is not None:
        raise UsageError(
            "a FILE and --tell are of a radio", remedy="Write `tender virtual air FILE`, or `… zigbee FILE`."
        )
    from gateway.cli.faults import LINK, POWER, sort_faults
    from gateway.config.load import load_config
    from gateway.profiles.load import load_profiles

    profiles = load_profiles(load_config(config_path(arguments)).config.profiles)
    profile, resolved = profiles.get(arguments.profile), profiles.resolve(arguments.profile)
    if arguments.list_faults:
        told = {"node": dict(resolved.plugin.faults), "power": dict(POWER), "line": dict(LINK)}
        _print_faults(told, as_json=arguments.json)
        return 0
    faults = sort_faults(arguments.fault, resolved.plugin.faults)
    return asyncio.run(_serve(arguments, profile, resolved, faults))


def _print_faults(told: dict[str, dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for title, faults in told.items():
        print(f"of the {title}:")
        print_facts((f"  {name}", means) for name, means in faults.items())
        print()


async def _serve(
    arguments: argparse.Namespace, profile: "Profile", resolved: "Resolved", faults: "Faults"
) -> int:
    node = _node(arguments, profile, resolved, faults)
    host = _host(arguments, node, faults.link)
    try:
        await _start(host)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        link = f"uart:{host.path}" if arguments.pty else host.url  # type: ignore[union-attr]
        if arguments.json:
            print(json.dumps({"link": link, "profile": profile.name}), flush=True)
        else:
            print(f"listening: {link}", flush=True)
        await stop.wait()
    finally:
        await host.aclose()
    for line in host.story:
        print(line, file=sys.stderr)
    return 0


async def _start(host: "PtyHost | TcpHost") -> None:
    try:
        await host.start()
    except OSError as error:
        raise UsageError(str(error), remedy="Choose another place; it may be in use.") from error


def _node(
    arguments: argparse.Namespace, profile: "Profile", resolved: "Resolved", faults: "Faults"
) -> "VirtualNode":
    from flashers.api import VirtualSetup

    components = tuple(table.value() for table in profile.components)
    flash = dict(_firmware(text, components[0].id) for text in arguments.flash)
    if unknown := set(flash) - {component.id for component in components}:
        known = ", ".join(component.id for component in components)
        raise UsageError(f"it has no component {unknown.pop()!r}", remedy=f"Its components are: {known}.")
    try:
        if not arguments.blank:
            flash = _healthy(components, resolved) | flash
        node = resolved.plugin.virtual_node(VirtualSetup(resolved.params, components, flash, faults.node))
    except ValueError as error:
        raise UsageError(str(error), remedy="See --list-faults for what each of them takes.") from error
    if faults.power is not None:
        node.cut_power_at(faults.power.operation, torn=faults.power.torn, off_for=faults.power.off_for)
    return node


def _healthy(components: "tuple[Component, ...]", resolved: "Resolved") -> dict[str, bytes]:
    """What a node runs that nobody has said anything about."""
    from flashers.api import ComponentKind
    from flashers.sim import SimApp

    firmware = resolved.plugin.build(SimApp("1.0.0"), _SMALL, {})
    return {part.id: firmware for part in components if part.kind is ComponentKind.FIRMWARE}


def _firmware(text: str, first: str) -> tuple[str, bytes]:
    component, equals, name = text.partition("=")
    if not equals:
        component, name = first, text
    try:
        return component, Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}", remedy="Name a file that can be read.") from error


def _host(arguments: argparse.Namespace, node: "VirtualNode", faults: "FaultPlan") -> "PtyHost | TcpHost":
    from flashers.api import uart_node

    line = uart_node(node)
    shape: dict[str, Any] = {"latency": arguments.latency, "baud": arguments.baud, "faults": faults}
    if arguments.pty is not None:
        from transports.virtual.pty import PtyHost

        return PtyHost(line, link=arguments.pty, **shape)
    if arguments.tcp is not None:
        from transports.virtual.tcp import TcpHost

        host, port = _address(arguments.tcp)
        return TcpHost(line, host=host, port=port, **shape)
    if arguments.rfc2217 is not None:
        from transports.virtual.rfc2217 import Rfc2217Host

        host, port = _address(arguments.rfc2217)
        return Rfc2217Host(line, host=host, port=port, **shape)
    raise UsageError("no medium was given", remedy="Give one of --pty, --tcp and --rfc2217.")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError(
            f"{text!r} is not HOST:PORT", remedy="Write 127.0.0.1:5000; port 0 takes a free one."
        )
    return host.strip("[]") or "127.0.0.1", int(port)
