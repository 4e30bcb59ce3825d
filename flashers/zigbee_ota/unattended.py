"""What a node is told while no flasher is with it.

Pure and stateless, since it is asked before the journal is known and after everything else has died.
One rule is above all others: a node that has begun is never told to give up.  Beyond that:

==================  ==========================================  ==============================
it sends            an attempt on it is open                    none is
==================  ==========================================  ==============================
what is there?      nothing: it is notified as soon as a        nothing is there for it
                    flasher is with it
a block, a page     wait, and ask again in a quarter minute     nothing: it asks a few times,
                                                                and keeps or drops what it has
                                                                by its own rules
I have it all       wait until told otherwise                   the same: unanswered, many
                                                                nodes start by themselves
I do not take it    heard                                       heard
==================  ==========================================  ==============================
"""

from flashers.api import Unattended
from flashers.zigbee_ota.codec import (
    BadCommand,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    answer,
    read_request,
)
from flashers.zigbee_ota.codec.words import FOREVER, OTA
from flashers.zigbee_ota.server.saying import declined
from transports.zcl import Zcl

WAIT_S = 15
"""Long enough to cost nothing while an attempt waits, short enough not to be missed when it goes on."""


def unattended(request: Zcl, open: bool) -> Unattended:  # noqa: A002 - as the contract has it
    """What to say to a request, and whether the node is one that asks for firmware."""
    if request.cluster != OTA or request.general:
        return Unattended()
    try:
        ask = read_request(request)
    except BadCommand as error:
        return Unattended(note=error.message)
    match ask:
        case QueryNextImageRequest():
            if open:
                return Unattended(wants=True)
            return Unattended(answer(request, QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)), wants=True)
        case QueryDeviceSpecificFileRequest():
            nothing = QueryDeviceSpecificFileResponse(Status.NO_IMAGE_AVAILABLE)
            return Unattended(answer(request, nothing), wants=True)
        case ImageBlockRequest(period=period):
            if open:
                # The period that it keeps is said back to it: whatever else is said would change it.
                return Unattended(answer(request, ImageBlockResponse.wait(WAIT_S, period=period)), wants=True)
            return Unattended(wants=True, note=f"it is in mid-image, and nobody updates it: {ask.file}")
        case ImagePageRequest():
            if open:
                return Unattended(answer(request, ImageBlockResponse.wait(WAIT_S)), wants=True)
            return Unattended(wants=True, note=f"it is in mid-image, and nobody updates it: {ask.file}")
        case UpgradeEndRequest(status=Status.SUCCESS):
            wait = UpgradeEndResponse(ask.file, 0, FOREVER)
            note = "" if open else f"it has a whole image, and nobody updates it: {ask.file}"
            return Unattended(answer(request, wait), wants=True, note=note)
        case UpgradeEndRequest():
            note = f"it does not take {ask.file}: status 0x{ask.status:02x}"
            return Unattended(declined(request, Status.SUCCESS), wants=True, note=note)
