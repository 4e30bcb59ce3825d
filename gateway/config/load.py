"""From all layers to one configuration, or to everything that is wrong in it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath

from pydantic import ValidationError

from gateway.config.defaults import drop_ins
from gateway.config.errors import BadConfig
from gateway.config.findings import Finding, from_validation
from gateway.config.layers import Layer, Merged
from gateway.config.model import Config, NodeTable
from gateway.config.nearest import nearest
from gateway.config.positions import Path
from gateway.config.sources import file_layer
from gateway.config.variables import environment_layer, flags_layer, left_aside
from transports.links import Medium


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, who said what in it, and which variables were left aside."""

    config: Config
    origins: Mapping[Path, str]
    aside: tuple[str, ...] = ()


def load_config(
    file: FilePath | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[str, str]] | None = None,
) -> Loaded:
    """Read every layer.

    Args:
        file: the main file; drop-ins are read from the folder of its name that ends in ``.d``.
        environment: instead of the process's own.
        flags: by dotted key, the value's text and the flag that said it.

    Raises:
        BadConfig: with every finding.
    """
    variables = os.environ if environment is None else environment
    readers: list[Callable[[], Layer]] = [partial(file_layer, each) for each in _files(file)]
    readers += [partial(environment_layer, variables), partial(flags_layer, flags or {})]
    merged = Merged()
    findings: list[Finding] = []
    for read in readers:
        try:
            merged.add(read())
        except BadConfig as bad:
            findings += bad.findings
    config = _validate(merged, findings)
    if config is None or findings:
        count = len(findings)
        raise BadConfig(f"{count} finding{'s' if count != 1 else ''}", findings)
    return Loaded(config, merged.origins, left_aside(variables))


def _files(file: FilePath | None) -> list[FilePath]:
    if file is None:
        return []
    folder = drop_ins(file)
    return [file, *sorted(folder.glob("*.toml"))] if folder != file else [file]


def _validate(merged: Merged, findings: list[Finding]) -> Config | None:
    try:
        config = Config.model_validate(merged.tree)
    except ValidationError as error:
        findings += from_validation(error, Config, merged.where, family="config")
        return None
    findings += _clashes(config.nodes, merged)
    findings += _unknown_networks(config, merged)
    return config


def _unknown_networks(config: Config, merged: Merged) -> list[Finding]:
    """A Bluetooth adapter may be named by its address; a Zigbee network has to be described."""
    found, known = [], sorted({*config.networks, *config.guests})
    for name, node in config.nodes.items():
        spec = node.spec
        if spec.medium is not Medium.ZIGBEE or spec.target in known:
            continue
        key, where = f"nodes.{name}.link", merged.where(("nodes", name, "link"))
        close = nearest(spec.target, known)
        hint = f"Did you mean {close}?  " if close else ""
        message = f"{key}: there is no network {spec.target!r}"
        remedy = f"{hint}Add [networks.{spec.target}], with its `radio` and `path`."
        found.append(Finding("config-unknown-network", where, key, message, remedy))
    return found


def _clashes(nodes: Mapping[str, NodeTable], merged: Merged) -> list[Finding]:
    """Nodes that could not be told apart by their links."""
    found = []
    seen: dict[tuple[str, str | None], str] = {}
    alone: dict[str, str] = {}
    for name, node in nodes.items():
        spec = node.spec
        other = seen.setdefault((spec.channel, spec.address), name)
        if other != name:
            message = f"nodes.{name}.link: {other} has the same link {node.link!r}"
            found.append(_clash(merged, name, message, "Several nodes on one line need addresses: #ADDRESS."))
        elif spec.address is None:
            alone[spec.channel] = name
    for (channel, address), name in seen.items():
        if address is not None and channel in alone:
            message = f"nodes.{alone[channel]}.link has no address, but {name} is on the same line"
            found.append(_clash(merged, alone[channel], message, "Add #ADDRESS to its link."))
    return found


def _clash(merged: Merged, name: str, message: str, remedy: str) -> Finding:
    path: Path = ("nodes", name, "link")
    return Finding("config-link-twice", merged.where(path), f"nodes.{name}.link", message, remedy)
