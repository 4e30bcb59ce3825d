"""A raw binary: bytes without an address, for the start of the application area."""

import re

from flashers.api import Segment
from flashers.images.area import Area
from flashers.images.errors import ImageEmpty, WrongFormat

_OTHERS = (
    (re.compile(rb"\s*:[0-9A-Fa-f]{10,}\r?\n"), "Intel HEX"),
    (re.compile(rb"\s*S0[0-9A-Fa-f]{8,}\r?\n"), "Motorola S-records"),
    (re.compile(rb"\x7fELF"), "ELF"),
)
"""What is most often given for a binary, by its beginning; no program begins like that."""


def parse_raw(data: bytes, area: Area) -> tuple[Segment, ...]:
    """One segment at the area's first application address.

    Raises:
        ImageEmpty: the file is empty.
        WrongFormat: it is a well-known format and not a binary.
        ImageTooLarge: it is larger than the part.
        IntoBootSection: it is larger than the application area.
    """
    if not data:
        raise ImageEmpty("the file is empty")
    for beginning, name in _OTHERS:
        if beginning.match(data):
            raise WrongFormat(f"the file is {name}, not a raw binary")
    area.check_size(len(data))
    segments = (Segment(area.application.start, data),)
    area.check(segments)
    return segments
