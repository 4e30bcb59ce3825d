"""The DFU zip: a manifest that names an init packet and an image for each kind of firmware.

A package comes from outside, so everything is bounded before it is unpacked, and nothing
is taken that a second reader could understand in another way: no name twice, no file
that the manifest does not name.

Source: the packages that nrfutil 6.1.7 and adafruit-nrfutil 0.5.3.post16 make, and their
``manifest.py``.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flashers.nordic_dfu.package.errors import BadPackage, WrongKind

MOST_BYTES = 8 << 20
"""Of all that is unpacked; no part of this family has as much flash."""
_MOST_FILES = 12
_MOST_MANIFEST = 64 << 10
MOST_INIT = 4096
"""Of an init packet; loaders keep 512 bytes or fewer."""
_MANIFEST = "manifest.json"


class Kind(StrEnum):
    """What a firmware of a package is, as the manifest has it."""

    APPLICATION = "application"
    BOOTLOADER = "bootloader"
    SOFTDEVICE = "softdevice"
    SOFTDEVICE_BOOTLOADER = "softdevice_bootloader"


@dataclass(frozen=True, slots=True)
class Firmware:
    """One firmware of a package: ``init`` goes before ``image``; ``said`` is the manifest's entry."""

    kind: Kind
    init: bytes
    image: bytes
    said: Mapping[str, object]


def read_package(data: bytes) -> Mapping[Kind, Firmware]:
    """Every firmware in a package.

    Raises:
        BadPackage: it is none, or not one that is to be trusted.
    """
    files = _unpack(data)
    if _MANIFEST not in files:
        raise BadPackage("the zip has no manifest.json")
    entries = _entries(files[_MANIFEST])
    named: set[str] = {_MANIFEST}
    found: dict[Kind, Firmware] = {}
    for name, entry in entries.items():
        kind = Kind(name)
        init, image = (_file(files, named, kind, entry, which) for which in ("dat_file", "bin_file"))
        if len(init) > MOST_INIT:
            raise BadPackage(f"the init packet of the {kind} has {len(init)} bytes")
        found[kind] = Firmware(kind, init, image, entry)
    if set(files) != named:
        raise BadPackage(f"the zip has files that its manifest does not name: {min(set(files) - named)}")
    return found


def pick(found: Mapping[Kind, Firmware], kind: Kind = Kind.APPLICATION) -> Firmware:
    """The one firmware of a package.

    Raises:
        WrongKind: there is none of this kind, or there is more, which would be forgotten.
    """
    if kind not in found:
        raise WrongKind(f"the package has no {kind}, but {', '.join(found)}")
    if len(found) > 1:
        others = ", ".join(other for other in found if other is not kind)
        raise WrongKind(f"besides the {kind} the package has {others}, which would not be written")
    return found[kind]


def write_package(
    kind: Kind, init: bytes, image: bytes, more: Mapping[str, object] | None = None, **top: object
) -> bytes:
    """A package of one firmware; the same arguments give the same bytes."""
    entry = {"bin_file": f"{kind}.bin", "dat_file": f"{kind}.dat", **(more or {})}
    manifest = json.dumps({"manifest": {kind: entry, **top}}, indent=4, sort_keys=True).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in ((f"{kind}.bin", image), (f"{kind}.dat", init), (_MANIFEST, manifest)):
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _unpack(data: bytes) -> dict[str, bytes]:
    if len(data) > MOST_BYTES:
        raise BadPackage(f"{len(data)} bytes are more than any package has")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check(infos)
            return {info.filename: _contents(archive, info) for info in infos if not info.is_dir()}
    except BadPackage:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OSError,
        EOFError,
    ) as error:
        raise BadPackage(f"this is no zip that can be read: {error}") from error


def _check(infos: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in infos]
    if len(infos) > _MOST_FILES:
        raise BadPackage(f"{len(infos)} files are more than a package has")
    if len({name.lower() for name in names}) != len(names):
        raise BadPackage("the zip has a name twice")
    for info in infos:
        name = info.filename
        if not name or name.startswith(("/", ".")) or "\\" in name or ":" in name or ".." in name.split("/"):
            raise BadPackage(f"the zip has a file that leads elsewhere: {name!r}")
        if info.flag_bits & 1:
            raise BadPackage("the zip is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadPackage(f"{name!r} is compressed in an unusual way")
    if sum(info.file_size for info in infos) > MOST_BYTES:
        raise BadPackage("unpacked, the zip is larger than any package")


def _contents(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A file's bytes; what it says of its size is not believed."""
    most = _MOST_MANIFEST if info.filename == _MANIFEST else MOST_BYTES
    with archive.open(info) as file:
        data = file.read(most + 1)
    if len(data) > most or len(data) != info.file_size:
        raise BadPackage(f"{info.filename!r} has another size than the zip says")
    return data


def _entries(text: bytes) -> dict[str, Mapping[str, object]]:
    try:
        read = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadPackage(f"manifest.json: {error}") from error
    manifest = read.get("manifest") if isinstance(read, dict) else None
    if not isinstance(manifest, dict):
        raise BadPackage("manifest.json has no manifest in it")
    entries: dict[str, Mapping[str, object]] = {
        name: entry for name, entry in manifest.items() if isinstance(entry, dict)
    }
    unknown = sorted(set(entries) - set(Kind))
    if unknown:
        raise BadPackage(f"the manifest has a firmware of an unknown kind: {unknown[0]!r}")
    if not entries:
        raise BadPackage("the manifest names no firmware")
    return entries


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _file(
    files: Mapping[str, bytes], named: set[str], kind: Kind, entry: Mapping[str, object], which: str
) -> bytes:
    name = entry.get(which)
    if not isinstance(name, str) or name not in files:
        raise BadPackage(f"the {kind}'s {which} {name!r} is not in the zip")
    if name in named:
        raise BadPackage(f"{name!r} is named twice in the manifest")
    named.add(name)
    if not files[name]:
        raise BadPackage(f"{name!r} is empty")
    return files[name]
