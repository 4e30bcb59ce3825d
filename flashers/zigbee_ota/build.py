"""Firmware files for virtual Zigbee nodes.

What ``build`` of this plugin understands beside application and size:

==================  ==============================================================
``manufacturer``    manufacturer code; 0x1234
``image-type``      image type; 0x0001
``version``         file version, if it is to differ from the application's
``hardware``        lowest and highest hardware version, as ``1-3``
``header``          the header's text; else the application's version
``destination``     the one node that it is for, as ``00:12:4b:00:1c:aa:bb:cc``
``elements``        further elements: some of ``integrity``, ``signature``, ``picture``, with commas
``raw``             the application behind the header without being an element, as some vendors have it
``trailing``        so many bytes behind the end that the header names
``seed``            a number; another one gives other bytes of the same version
==================  ==============================================================
"""

import hashlib
import random
from collections.abc import Mapping

from flashers.sim import SimApp, build_app
from flashers.sim.options import checked, number
from flashers.zigbee_ota.codec.header import ELEMENT, Header
from flashers.zigbee_ota.codec.parts import File
from flashers.zigbee_ota.codec.words import Tag

MANUFACTURER, IMAGE_TYPE = 0x1234, 0x0001
"""Of virtual nodes and their files, where nothing else is said."""
_ELEMENTS = ("integrity", "signature", "picture")


def file_version(text: str) -> int:
    """The number for an application's version: four numbers are its bytes, a single one is itself.

    Raises:
        ValueError: it has no numbers, or they do not fit.
    """
    parts = text.split(".")
    if len(parts) > 4 or not all(part.isdigit() for part in parts):
        raise ValueError(f"{text!r} is no version like 1.2.3.4, and no number")
    if len(parts) == 1:
        value = int(parts[0])
    else:
        if any(int(part) > 255 for part in parts):
            raise ValueError(f"{text!r} has a number above 255")
        value = int.from_bytes(bytes(int(part) for part in parts).ljust(4, b"\0"))
    if value >= 0xFFFFFFFF:
        raise ValueError(f"{text!r} is no file version")
    return value


def address_number(text: str) -> int:
    """A node's address as a number.

    Raises:
        ValueError: it is none.
    """
    digits = text.replace(":", "")
    if len(digits) != 16:
        raise ValueError(f"{text!r} is no address like 00:12:4b:00:1c:aa:bb:cc")
    return int(digits, 16)


def build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    """An OTA file with ``size`` bytes of application.

    Raises:
        ValueError: an option is unknown or makes no sense, or the size is too small.
    """
    said = checked(
        options,
        manufacturer=None,
        image_type=None,
        version=None,
        hardware=None,
        header=None,
        destination=None,
        elements=None,
        raw=None,
        trailing=None,
        seed=None,
    )
    seed = number(said, "seed") or 0
    body = build_app(app, size, seed=seed)
    if "raw" not in said:
        body = _element(Tag.UPGRADE_IMAGE, body)
    for name in filter(None, said.get("elements", "").split(",")):
        body += _more(name, body, seed)
    told = number(said, "version")
    header = Header(
        file=File(
            _or(number(said, "manufacturer"), MANUFACTURER),
            _or(number(said, "image-type"), IMAGE_TYPE),
            file_version(app.version) if told is None else told,
        ),
        total=0,
        text=said.get("header", app.version),
        hardware=_limits(said.get("hardware")),
        destination=address_number(said["destination"]) if "destination" in said else None,
    )
    return _whole(header, body) + b"\x00" * (number(said, "trailing") or 0)


def _whole(header: Header, body: bytes) -> bytes:
    length = len(header.encode())
    total = length + len(body)
    return (
        Header(
            header.file,
            total,
            text=header.text,
            hardware=header.hardware,
            destination=header.destination,
        ).encode()
        + body
    )


def _element(tag: int, data: bytes) -> bytes:
    return ELEMENT.pack(tag, len(data)) + data


def _more(name: str, before: bytes, seed: int) -> bytes:
    match name:
        case "integrity":
            return _element(Tag.INTEGRITY, hashlib.sha256(before).digest()[:16])
        case "signature":
            return _element(Tag.SIGNATURE, random.Random(f"signature{seed}").randbytes(50))
        case "picture":
            return _element(Tag.PICTURE, random.Random(f"picture{seed}").randbytes(100))
        case _:
            raise ValueError(f"elements are some of {', '.join(_ELEMENTS)}, not {name!r}")


def _limits(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    lowest, dash, highest = text.partition("-")
    if not dash:
        raise ValueError(f"hardware is two numbers like 1-3, not {text!r}")
    return int(lowest, 0), int(highest, 0)


def _or(value: int | None, other: int) -> int:
    return other if value is None else value
