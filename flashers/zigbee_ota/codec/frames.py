"""Commands as frames of the network, and frames as commands."""

from collections.abc import Callable

from flashers.zigbee_ota.codec.answers import (
    ImageBlockResponse,
    ImageNotify,
    QueryDeviceSpecificFileResponse,
    QueryNextImageResponse,
    UpgradeEndResponse,
)
from flashers.zigbee_ota.codec.errors import BadCommand
from flashers.zigbee_ota.codec.requests import (
    ImageBlockRequest,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryNextImageRequest,
    UpgradeEndRequest,
)
from flashers.zigbee_ota.codec.words import OTA
from transports.zcl import Zcl

Request = (
    QueryNextImageRequest
    | ImageBlockRequest
    | ImagePageRequest
    | UpgradeEndRequest
    | QueryDeviceSpecificFileRequest
)
"""What a node asks."""
Answer = (
    ImageNotify
    | QueryNextImageResponse
    | ImageBlockResponse
    | UpgradeEndResponse
    | QueryDeviceSpecificFileResponse
)
"""What a node is told."""

_REQUESTS: dict[int, Callable[[bytes], Request]] = {
    QueryNextImageRequest.command: QueryNextImageRequest.decode,
    ImageBlockRequest.command: ImageBlockRequest.decode,
    ImagePageRequest.command: ImagePageRequest.decode,
    UpgradeEndRequest.command: UpgradeEndRequest.decode,
    QueryDeviceSpecificFileRequest.command: QueryDeviceSpecificFileRequest.decode,
}
_ANSWERS: dict[int, Callable[[bytes], Answer]] = {
    ImageNotify.command: ImageNotify.decode,
    QueryNextImageResponse.command: QueryNextImageResponse.decode,
    ImageBlockResponse.command: ImageBlockResponse.decode,
    UpgradeEndResponse.command: UpgradeEndResponse.decode,
    QueryDeviceSpecificFileResponse.command: QueryDeviceSpecificFileResponse.decode,
}


def frame(command: Request | Answer, *, endpoint: int = 1, tsn: int | None = None) -> Zcl:
    """The frame that carries a command; an answer has the number of its request."""
    return Zcl(
        OTA, command.command, command.encode(), endpoint=endpoint, tsn=tsn, to_client=command.to_client
    )


def answer(asked: Zcl, command: Answer) -> Zcl:
    """The frame that answers this one."""
    return frame(command, endpoint=asked.endpoint, tsn=asked.tsn)


def read_request(zcl: Zcl) -> Request:
    """What a node asks.

    Raises:
        BadCommand: it is no such command, or cut off.
    """
    kind = None if zcl.to_client or not _plain(zcl) else _REQUESTS.get(zcl.command)
    if kind is None:
        raise BadCommand(f"command 0x{zcl.command:02x} is nothing that a node asks")
    return kind(zcl.payload)


def read_answer(zcl: Zcl) -> Answer:
    """What a node is told.  Raises as :func:`read_request`."""
    kind = _ANSWERS.get(zcl.command) if zcl.to_client and _plain(zcl) else None
    if kind is None:
        raise BadCommand(f"command 0x{zcl.command:02x} is nothing that a node is told")
    return kind(zcl.payload)


def _plain(zcl: Zcl) -> bool:
    """Whether it is a command of the OTA cluster itself, no general and no vendor's one."""
    return zcl.cluster == OTA and not zcl.general and zcl.manufacturer is None
