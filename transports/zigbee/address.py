"""A node's IEEE address, however people write it: one node has one name.

Labels on the back of a lamp, zigbee2mqtt, zigpy and the radio's own tools write it in
different ways; everything in here has it as ``00:12:4b:00:1c:aa:bb:cc``.
"""

import re

from transports.errors import BadLink

_FORMS = re.compile(
    r"(?:0x)?([0-9a-f]{16})|([0-9a-f]{2}(?::[0-9a-f]{2}){7})|([0-9a-f]{2}(?:-[0-9a-f]{2}){7})", re.IGNORECASE
)


def ieee_address(text: str) -> str:
    """Eight bytes in small letters, highest first, with colons.

    Raises:
        BadLink: it is none.
    """
    match = _FORMS.fullmatch(text.strip())
    if match is None:
        raise BadLink(
            f"{text!r} is no IEEE address of a Zigbee node",
            remedy="Write zigbee:NETWORK#00:12:4b:00:1c:aa:bb:cc.",
        )
    digits = re.sub("[:-]", "", (match[1] or match[2] or match[3]).lower())
    return ":".join(digits[at : at + 2] for at in range(0, 16, 2))
