"""A recording of an upgrade as a person reads it: a line for each command.

Frames are whole, so nothing has to be kept from one to the next.  Of a block only where it begins and
its length are told.
"""

from flashers.api import Describe, LinkFrame
from flashers.zigbee_ota.codec import (
    Answer,
    BadCommand,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Request,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    read_answer,
    read_request,
)
from flashers.zigbee_ota.codec.general import decode_default
from flashers.zigbee_ota.codec.words import FOREVER, OTA, Command, General
from flashers.zigbee_ota.params import OtaParams
from transports.zcl import Zcl
from transports.zigbee.errors import BadFrame


def describer(params: OtaParams) -> Describe:
    """One for each recording."""
    del params  # the commands are the same for every node
    return _describe


def _describe(frame: LinkFrame) -> tuple[str, ...]:
    try:
        zcl = Zcl.decode(frame.data, cluster=OTA, endpoint=1)
    except BadFrame:
        return (f"no frame: {len(frame.data)} bytes",)
    if zcl.general:
        return (f"#{zcl.tsn} {_general(zcl)}",)
    try:
        said: Request | Answer = read_answer(zcl) if zcl.to_client else read_request(zcl)
    except BadCommand as error:
        return (f"#{zcl.tsn} {error.message}",)
    return (f"#{zcl.tsn} {_line(said)}",)


def _status(status: int) -> str:
    return Status(status).name if status in set(Status) else f"status 0x{status:02x}"


def _general(zcl: Zcl) -> str:
    name = General(zcl.command).name if zcl.command in set(General) else f"0x{zcl.command:02x}"
    if zcl.command == General.DEFAULT_RESPONSE:
        try:
            command, status = decode_default(zcl.payload)
        except BadCommand:
            return name.lower()
        about = Command(command).name if command in set(Command) else f"0x{command:02x}"
        return f"default response to {about.lower()}: {_status(status)}"
    return f"{name.lower().replace('_', ' ')} <{len(zcl.payload)} bytes>"


def _line(said: Request | Answer) -> str:
    match said:
        case ImageNotify(jitter=jitter):
            return f"image notify jitter={jitter}"
        case QueryNextImageRequest(file=file, hardware=hardware):
            told = "" if hardware is None else f" hardware={hardware}"
            return f"query next image: runs {file}{told}"
        case QueryNextImageResponse(status=status, file=file, size=size):
            return _offer("next image", status, file, size)
        case QueryDeviceSpecificFileRequest(file=file):
            return f"query device specific file: {file}"
        case QueryDeviceSpecificFileResponse(status=status, file=file, size=size):
            return _offer("device specific file", status, file, size)
        case ImageBlockRequest(file=file, offset=offset, size=size, period=period):
            told = "" if period is None else f" period={period} ms"
            return f"block from {offset}, at most {size}, of 0x{file.version:08x}{told}"
        case ImagePageRequest(file=file, offset=offset, size=size, page=page, spacing=spacing):
            return f"page from {offset}, {page} in {size} every {spacing} ms, of 0x{file.version:08x}"
        case ImageBlockResponse(status=Status.SUCCESS, offset=offset, data=data):
            return f"block from {offset}: <{len(data)} bytes>"
        case ImageBlockResponse(status=Status.WAIT_FOR_DATA, now=now, ask_at=ask_at, period=period):
            told = "" if period is None else f", period {period} ms"
            return f"wait {ask_at - now} s{told}"
        case ImageBlockResponse(status=status):
            return f"no block: {_status(status)}"
        case UpgradeEndRequest(status=status, file=file):
            return f"end of {file}: {_status(status)}"
        case UpgradeEndResponse(file=file, now=now, upgrade_at=at):
            when = "wait" if at == FOREVER else ("now" if at <= now else f"in {at - now} s")
            return f"start {file}: {when}"


def _offer(what: str, status: int, file: object, size: int) -> str:
    return f"{what}: {file}, {size} bytes" if file is not None else f"{what}: {_status(status)}"
