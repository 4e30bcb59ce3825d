"""The OTA cluster's commands, and the few general ones that a node and its server need; no I/O.

Whatever comes, the one error is :class:`BadCommand`.
"""

from flashers.zigbee_ota.codec.answers import (
    BLOCK_OVERHEAD,
    ImageBlockResponse,
    ImageNotify,
    QueryDeviceSpecificFileResponse,
    QueryNextImageResponse,
    UpgradeEndResponse,
    encode_block,
)
from flashers.zigbee_ota.codec.errors import BadCommand
from flashers.zigbee_ota.codec.frames import Answer, Request, answer, frame, read_answer, read_request
from flashers.zigbee_ota.codec.parts import File
from flashers.zigbee_ota.codec.requests import (
    ImageBlockRequest,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryNextImageRequest,
    UpgradeEndRequest,
)
from flashers.zigbee_ota.codec.words import Command, Status

__all__ = [
    "BLOCK_OVERHEAD",
    "Answer",
    "BadCommand",
    "Command",
    "File",
    "ImageBlockRequest",
    "ImageBlockResponse",
    "ImageNotify",
    "ImagePageRequest",
    "QueryDeviceSpecificFileRequest",
    "QueryDeviceSpecificFileResponse",
    "QueryNextImageRequest",
    "QueryNextImageResponse",
    "Request",
    "Status",
    "UpgradeEndRequest",
    "UpgradeEndResponse",
    "answer",
    "encode_block",
    "frame",
    "read_answer",
    "read_request",
]
