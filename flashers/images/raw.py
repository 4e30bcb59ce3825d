"""A raw binary: bytes without an address, for the start of the application area."""

from flashers.api import Segment
from flashers.images.area import Area
from flashers.images.errors import ImageEmpty


def parse_raw(data: bytes, area: Area) -> tuple[Segment, ...]:
    """One segment at the area's first application address.

    Raises:
        ImageEmpty: the file is empty.
        ImageTooLarge: it is larger than the part.
        IntoBootSection: it is larger than the application area.
    """
    if not data:
        raise ImageEmpty("the file is empty")
    area.check_size(len(data))
    segments = (Segment(area.application.start, data),)
    area.check(segments)
    return segments
