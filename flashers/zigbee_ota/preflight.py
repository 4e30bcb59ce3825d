"""What speaks against an image on a node, found out before the node is told of it."""

from flashers.api import FirmwareImage, Preflight, Reason, Seen
from flashers.zigbee_ota.codec.header import Header
from flashers.zigbee_ota.codec.words import ANY
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.server.offer import header_of
from flashers.zigbee_ota.server.offering import HIGHEST
from transports.errors import TenderError


def reasons(ask: Preflight, params: OtaParams) -> tuple[Reason, ...]:
    """Every reason against this image on this node."""
    try:
        header = header_of(ask.image)
    except TenderError as error:
        return (Reason(error.code, error.message, error.remedy),)
    found = (
        _manufacturer(header, ask.seen, params),
        _image_type(header, ask.seen, params),
        _hardware(header, params),
        _model(ask.seen, params),
        _destination(header, ask.seen),
        _room_above(ask.image, ask.seen),
    )
    return tuple(reason for reason in found if reason is not None)


def _number(seen: Seen, name: str) -> int | None:
    value = seen.facts.get(name)
    try:
        return int(value, 16) if isinstance(value, str) else None
    except ValueError:
        return None


def _manufacturer(header: Header, seen: Seen, params: OtaParams) -> Reason | None:
    has = header.file.manufacturer
    for wanted, whose in (
        (params.manufacturer, "the profile's"),
        (_number(seen, "manufacturer"), "the node's"),
    ):
        if wanted is not None and has not in (wanted, ANY):
            return Reason(
                "wrong-manufacturer",
                f"The image is by manufacturer 0x{has:04x}, and {whose} is 0x{wanted:04x}.",
                "Deploy the file for this node, or give the node the right profile.",
            )
    return None


def _image_type(header: Header, seen: Seen, params: OtaParams) -> Reason | None:
    has = header.file.image_type
    for wanted, whose in ((params.image_type, "the profile's"), (_number(seen, "image-type"), "the node's")):
        if wanted is not None and has not in (wanted, ANY):
            return Reason(
                "wrong-image-type",
                f"The image has type 0x{has:04x}, and {whose} is 0x{wanted:04x}.",
                "Deploy the file for this node, or give the node the right profile.",
            )
    return None


def _hardware(header: Header, params: OtaParams) -> Reason | None:
    limits = header.hardware
    if limits is None or params.hardware is None or limits[0] <= params.hardware <= limits[1]:
        return None
    return Reason(
        "wrong-hardware",
        f"The image is for hardware 0x{limits[0]:04x} to 0x{limits[1]:04x}, "
        f"and the profile says 0x{params.hardware:04x}.",
        "Deploy the file for this revision of the board.",
    )


def _model(seen: Seen, params: OtaParams) -> Reason | None:
    model = seen.facts.get("model")
    if not params.model or model is None or model in params.model:
        return None
    return Reason(
        "wrong-model",
        f"The node calls itself {model!r}, and the profile is for {', '.join(map(repr, params.model))}.",
        "Give the node the right profile, or add its model to the profile.",
    )


def _destination(header: Header, seen: Seen) -> Reason | None:
    if header.destination is None or seen.identity is None:
        return None
    own = f"{header.destination:016x}"
    if seen.identity.value.replace(":", "").lower() == own:
        return None
    return Reason(
        "only-for-another-node",
        f"The image is for the node {own} alone, and this one is {seen.identity.value}.",
        "Deploy the file that its vendor made for this node.",
    )


def _room_above(image: FirmwareImage, seen: Seen) -> Reason | None:
    """An older image needs a number above the one that runs; there is none above the highest."""
    runs = _number(seen, "file-version")
    if runs is None or runs < HIGHEST or str(runs) == image.firmware.version:
        return None
    return Reason(
        "no-higher-version",
        f"The node runs file version 0x{runs:08x}, above which nothing can be offered.",
        "Restore the node by the vendor's own tool.",
    )
