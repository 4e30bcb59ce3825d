"""Any OTA file of the wild: where it begins in what its vendor hands out, what it says, and its bytes.

zigpy reads header and elements.  What is sent is always the very bytes that are in the file, from the
header's first to the last that it names: nodes check signatures over them.  What is wrapped around
the file, or hangs behind it, is left out; what zigpy cannot take apart (raw data where an element
should begin) is sent all the same, since nodes with such files take them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flashers.api import Component, Digest, Firmware, FirmwareImage, Segment
from flashers.zigbee_ota.codec.header import ELEMENT, FIXED_SIZE
from flashers.zigbee_ota.codec.words import ANY, ANY_VERSION, MAGIC, Tag, version_text
from flashers.zigbee_ota.declare import FORMAT
from flashers.zigbee_ota.image_errors import (
    NotFirmware,
    NotOta,
    OtaEmpty,
    OtaMalformed,
    OtaTruncated,
    OtherHardware,
    OtherImageType,
    OtherManufacturer,
    ReaderMissing,
)
from flashers.zigbee_ota.params import OtaParams

if TYPE_CHECKING:
    from zigpy.ota.image import OTAImageHeader

_MAGIC = MAGIC.to_bytes(4, "little")
_FIRST_OF_OTHER_KINDS = 0xFFC0
"""Image types from here on are credentials, configurations and logs (ZCL revision 8, 11.4.2.6)."""
_SEARCHED = 1 << 16
"""Bytes of a file in which its header has to begin: wrappings of vendors are far shorter."""
_ELEMENTS_SHOWN = 16
_ELEMENTS_READ = 64
"""The most that zigpy is given: files have one to three."""
_TELINK = 0xF000
"""Tag of Telink's encrypted elements (zigpy, ``ota/image.py``)."""


@dataclass(frozen=True, slots=True)
class OtaFile:
    """An OTA file, found and checked; ``payload`` is what nodes are given."""

    header: "OTAImageHeader"
    payload: bytes
    before: int
    """Bytes of wrapping before the header."""
    behind: int
    """Bytes behind the end that the header names."""
    elements: tuple[tuple[int, int], ...]
    """Tag and size of each element, as far as there are any."""
    raw: int
    """Bytes behind the last element that are none."""


def parse(data: bytes, format: str, component: Component, params: OtaParams) -> FirmwareImage:  # noqa: A002
    """Read an artifact.

    Raises:
        BadImage: it is no OTA file for nodes of this profile, in a way of its own for each reason.
    """
    if format != FORMAT:
        raise NotOta(f"{format!r} is no format of Zigbee upgrades; there is {FORMAT}")
    file = read_file(data)
    _for_these_nodes(file.header, params)
    version, text = int(file.header.file_version), _text(file.header)
    facts: dict[str, str | int | bool] = {
        "file-version": version_text(version),
        "manufacturer": f"0x{int(file.header.manufacturer_id):04x}",
        "image-type": f"0x{int(file.header.image_type):04x}",
        "header": text,
        "elements": _elements_text(file),
        "application-version": params.application_version_of(version),
    }
    build_id = params.build_id_of(version, text)
    if build_id is not None:
        facts["build-id"] = build_id
    limits = _limits(file.header)
    if limits is not None:
        facts["hardware"] = f"0x{limits[0]:04x} to 0x{limits[1]:04x}"
    if file.header.device_specific_file:
        facts["only-for"] = str(file.header.upgrade_file_destination)
    if file.before:
        facts["wrapped"] = file.before
    if file.behind:
        facts["left-out-behind"] = file.behind
    return FirmwareImage(
        format=FORMAT,
        artifact=Digest.sha256(data),
        firmware=Firmware(version=str(version)),
        segments=(Segment(0, file.payload),),
        component=component,
        facts=facts,
    )


def read_file(data: bytes) -> OtaFile:
    """Find the OTA file in what a vendor hands out.

    Raises:
        NotOta, OtaTruncated, OtaMalformed, OtaEmpty: there is none, or it is not whole.
    """
    trouble: Exception | None = None
    for begin in _beginnings(data):
        try:
            return _read_at(data, begin)
        except (OtaTruncated, OtaMalformed, OtaEmpty) as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    raise NotOta(f"in the first of {len(data)} bytes there is no OTA header ({_MAGIC.hex()})")


def _reader() -> Any:
    """OTA files as zigpy reads them.

    Raises:
        ReaderMissing: it is not installed.
    """
    try:
        return import_module("zigpy.ota.image")
    except ModuleNotFoundError as missing:
        raise ReaderMissing(
            f"OTA files are read by zigpy, and {missing.name!r} is not installed"
        ) from missing


def _beginnings(data: bytes) -> Iterator[int]:
    """Every place where a header may begin."""
    at = data.find(_MAGIC, 0, _SEARCHED)
    while at >= 0:
        yield at
        at = data.find(_MAGIC, at + 1, _SEARCHED)


def _read_at(data: bytes, begin: int) -> OtaFile:
    here = data[begin:]
    if len(here) < FIXED_SIZE:
        raise OtaTruncated(f"the file ends {len(here)} bytes into its header")
    try:
        header, _ = _reader().OTAImageHeader.deserialize(here)
    except ValueError as error:
        raise OtaTruncated(f"the file ends within its header: {error}") from error
    total, length = int(header.image_size), int(header.header_length)
    if length < len(header.serialize()):
        raise OtaMalformed(f"the header calls itself {length} bytes long, its fields are longer")
    if total < length:
        raise OtaMalformed(f"the header is {length} bytes long, and the whole file only {total}")
    if int(header.file_version) == ANY_VERSION:
        raise OtaMalformed("the file's version is 0xffffffff, which stands for every version")
    if len(here) < total:
        raise OtaTruncated(f"the header names {total} bytes, and the file has {len(here)}")
    payload = bytes(here[:total])
    elements, end = _elements(payload, length)
    firmware = [size for tag, size in elements if tag == Tag.UPGRADE_IMAGE]
    if total == length or (elements and end == total and not any(size for _, size in elements)):
        raise OtaEmpty(f"behind the header of {length} bytes there is nothing")
    if end == total and firmware and not any(firmware):
        raise OtaEmpty("the upgrade image in the file has no bytes")
    return OtaFile(header, payload, begin, len(here) - total, tuple(elements), total - end)


def _elements(payload: bytes, at: int) -> tuple[list[tuple[int, int]], int]:
    """The elements, and where the last whole one ends; zigpy's reading where that takes it apart."""
    reader = _reader()
    found, end = _scanned(payload, at)
    both = ((reader.OTAImage, found), (reader.TelinkOTAImage, _scanned(payload, at, telink=True)[0]))
    for kind, scanned in both:
        if len(scanned) > _ELEMENTS_READ:
            continue  # it copies what is left with each element
        try:
            image, _ = kind.deserialize(payload)
        except ValueError:
            continue
        return [(int(each.tag_id), len(each.data)) for each in image.subelements], len(payload)
    return found, end


def _scanned(payload: bytes, at: int, *, telink: bool = False) -> tuple[list[tuple[int, int]], int]:
    """The same, as far as lengths fit; Telink's encrypted element has two bytes before its data."""
    found = []
    while at + ELEMENT.size <= len(payload):
        tag, size = ELEMENT.unpack_from(payload, at)
        end = at + ELEMENT.size + size + (2 if telink and tag == _TELINK else 0)
        if end > len(payload):
            break
        found.append((tag, size))
        at = end
    return found, at


def _for_these_nodes(header: "OTAImageHeader", params: OtaParams) -> None:
    manufacturer, image_type = int(header.manufacturer_id), int(header.image_type)
    if params.manufacturer is not None and manufacturer not in (params.manufacturer, ANY):
        raise OtherManufacturer(
            f"the file is by manufacturer 0x{manufacturer:04x}, these nodes by 0x{params.manufacturer:04x}"
        )
    if params.image_type is not None and image_type not in (params.image_type, ANY):
        raise OtherImageType(
            f"the file has image type 0x{image_type:04x}, and these nodes 0x{params.image_type:04x}"
        )
    if _FIRST_OF_OTHER_KINDS <= image_type < ANY and params.image_type is None:
        raise NotFirmware(f"image type 0x{image_type:04x} is no firmware")
    limits = _limits(header)
    if limits is not None and params.hardware is not None and not limits[0] <= params.hardware <= limits[1]:
        raise OtherHardware(
            f"the file is for hardware 0x{limits[0]:04x} to 0x{limits[1]:04x}, "
            f"and these nodes are 0x{params.hardware:04x}"
        )


def _limits(header: "OTAImageHeader") -> tuple[int, int] | None:
    if not header.hardware_versions_present:
        return None
    return int(header.minimum_hardware_version), int(header.maximum_hardware_version)


def _text(header: "OTAImageHeader") -> str:
    return bytes(header.header_string).split(b"\0", 1)[0].decode("utf-8", "replace")


def _elements_text(file: OtaFile) -> str:
    names = {int(tag): tag.name.lower().replace("_", "-") for tag in Tag}
    shown = [f"{names.get(tag, f'0x{tag:04x}')} {size}" for tag, size in file.elements[:_ELEMENTS_SHOWN]]
    if len(file.elements) > _ELEMENTS_SHOWN:
        shown.append(f"and {len(file.elements) - _ELEMENTS_SHOWN} more")
    if file.raw:
        shown.append(f"raw {file.raw}")
    return ", ".join(shown)
