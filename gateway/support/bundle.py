"""The answer to "What do I send the vendor?": one archive with everything that helps, and no secret.

What the service tells is taken from it; where it does not run, or its journal is
broken, the files say what they can.  No artifact, backup or key is opened for it, and
of recordings only what was said about frames goes in, never an image's bytes.
"""

import io
import platform
import sqlite3
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from gateway.support.doctor import examine
from gateway.support.ground import Ground
from gateway.support.material import Material, from_files, from_service
from gateway.support.redact import Redactor

ATTEMPTS = 50
"""Attempts that are told with their records and recordings, newest first."""
LOG_BYTES = 1 << 20
"""The end of a log that is taken."""
_LIBRARIES = frozenset(
    {"aiohttp", "aiomqtt", "bleak", "cbor2", "cryptography", "fleet-tender", "intelhex", "paho-mqtt"}
    | {"pydantic", "pyserial", "rich", "yarl", "zigpy"}
)
_ABSENT = (
    "artifacts, images and backups: what is flashed is named by its digest",
    "keys, passwords, tokens, certificates: by their names and by their shapes",
    "names of hosts: each is called host-N, the same everywhere",
    "the bytes of recordings: of each frame what a decoder says, and how long it was",
)


@dataclass(slots=True)
class Bundle:
    """What has been put in so far, and what could not be had."""

    redactor: Redactor
    files: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, make: Callable[[], Any]) -> None:
        """A part; one that fails is named with why, and keeps no other from being put in."""
        try:
            made = make()
            if name.endswith(".jsonl"):
                text = self.redactor.lines(made)
            else:
                text = self.redactor.text(made) if isinstance(made, str) else self.redactor.json(made)
        except Exception as error:  # noqa: BLE001 - half a bundle is better than none
            self.left_out[name] = self.redactor.text(f"{type(error).__name__}: {error}")
        else:
            self.files[name] = text


def collect(ground: Ground, environment: dict[str, str], *, attempts: int, log: Path | None) -> Bundle:
    """Everything, redacted."""
    config = ground.loaded.config if ground.loaded is not None else None
    bundle = Bundle(Redactor.of(config, environment))
    bundle.add("doctor.json", lambda: asdict(examine(ground)))
    bundle.add("versions.json", _versions)
    bundle.add("config.json", lambda: _config(ground))
    bundle.add("profiles.json", lambda: _profiles(ground))
    with ExitStack() as stack:
        for material in _materials(ground, attempts, stack):
            for name, make in material:
                if name not in bundle.files:
                    bundle.add(name, make)
    for name in bundle.files:
        bundle.left_out.pop(name, None)
    if log is not None:
        bundle.add("log.txt", lambda: _tail(log))
    else:
        bundle.left_out["log.txt"] = "no --log was given; journalctl -u tender > tender.log writes one"
    # What a URL in one file gave away may stand by itself in another.
    bundle.files = {name: bundle.redactor.again(text) for name, text in bundle.files.items()}
    bundle.left_out = {name: bundle.redactor.again(why) for name, why in bundle.left_out.items()}
    return bundle


def _materials(ground: Ground, attempts: int, stack: ExitStack) -> Iterator[Material]:
    if ground.overview is not None:
        yield from_service(ground, attempts)
    if ground.loaded is not None:
        yield from_files(ground.loaded.config, attempts, stack)


def write(bundle: Bundle, out: Path, *, made: float | None = None) -> None:
    """The archive, readable by whoever made it alone.

    Raises:
        OSError: it cannot be written.
    """
    moment = int(time.time() if made is None else made)
    root = out.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    files = {"MANIFEST": manifest(bundle), **dict(sorted(bundle.files.items()))}
    with out.open("xb") as raw:
        out.chmod(0o600)
        with tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for name, text in files.items():
                data = text.encode("utf-8", "replace")
                entry = tarfile.TarInfo(f"{root}/{name}")
                entry.size, entry.mtime, entry.mode = len(data), moment, 0o600
                archive.addfile(entry, io.BytesIO(data))


def manifest(bundle: Bundle) -> str:
    """What is in it and what is not, for whoever is asked to send it."""
    lines = [f"Support bundle of Tender {version('fleet-tender')}", "", "In it:"]
    lines += [f"  {name}  ({len(text.encode())} bytes)" for name, text in sorted(bundle.files.items())]
    lines += ["", "Could not be had:"] if bundle.left_out else []
    lines += [f"  {name}: {why}" for name, why in sorted(bundle.left_out.items())]
    lines += ["", "Left out on purpose:", *(f"  {each}" for each in _ABSENT), ""]
    return "\n".join(lines)


def _config(ground: Ground) -> Any:
    from gateway.config.show import values

    if ground.loaded is None:
        findings = ground.bad_config.findings if ground.bad_config is not None else ()
        return {"cannot be read": [f"{each.where}: {each.code}: {each.key}" for each in findings]}
    told = values(ground.loaded)
    return {each.key: {"value": each.value, "from": each.origin} for each in told}


def _profiles(ground: Ground) -> Any:
    from gateway.plugins.registry import Registry
    from gateway.profiles.load import load_profiles

    if ground.loaded is None:
        return {}
    config = ground.loaded.config
    profiles = load_profiles(config.profiles, Registry())
    used = {node.profile for node in config.nodes.values()}
    known = {
        name: profiles.text(name).profile.model_dump(mode="json", by_alias=True, exclude_none=True)
        for name in sorted(used)
        if name in profiles
    }
    broken = {name: f"{error.code}: {error.message}" for name, error in profiles.broken.items()}
    return {"used": known, "broken": broken, "unknown": sorted(used - known.keys() - broken.keys())}


def _versions() -> Any:
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    libraries = {each.name: each.version for each in distributions() if each.name in _LIBRARIES}
    return {
        "tender": version("fleet-tender"),
        "python": sys.version,
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "os": release.get("PRETTY_NAME", platform.system()),
        "libraries": dict(sorted(libraries.items())),
    }


def _tail(log: Path) -> str:
    with log.open("rb") as opened:
        size = opened.seek(0, io.SEEK_END)
        opened.seek(max(0, size - LOG_BYTES))
        # The first line may be cut in the middle of a secret, where no net would hold it.
        data = opened.read()
    return (data if size <= LOG_BYTES else data.partition(b"\n")[2]).decode(errors="replace")
