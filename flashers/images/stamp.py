"""What a firmware says of itself somewhere in its bytes: a version, a hardware name.

Plain hex and binary files have no header.  Where a build leaves a text like
``fw 1.4.2 for rev-b`` in its constants, a profile can say how to find it.
"""

import re
from collections.abc import Iterable

from flashers.api import Segment


def compile_stamp(pattern: str) -> re.Pattern[bytes]:
    """A pattern over the bytes of an image, one character a byte; groups ``version``, ``hardware``.

    Raises:
        ValueError: it is no regular expression, or has neither group.
    """
    try:
        compiled = re.compile(pattern.encode("latin-1"))
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    if not {"version", "hardware"} & set(compiled.groupindex):
        raise ValueError(f"{pattern!r} has no group (?P<version>…) or (?P<hardware>…)")
    return compiled


def read_stamp(segments: Iterable[Segment], pattern: re.Pattern[bytes]) -> dict[str, str]:
    """The named groups of the first match, as text; empty where nothing matches."""
    for segment in segments:
        found = pattern.search(segment.data)
        if found:
            groups = found.groupdict()
            return {name: text.decode("latin-1") for name, text in groups.items() if text is not None}
    return {}
