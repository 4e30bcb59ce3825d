"""A recording of an upgrade can be read, and has none of an image's bytes in it."""

import random

from flashers.api import LinkFrame
from flashers.zigbee_ota.codec import (
    File,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    frame,
)
from flashers.zigbee_ota.codec.words import FOREVER
from flashers.zigbee_ota.describe import describer
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.server.saying import declined

FILE = File(0x1234, 1, 0x02000000)
NAMED = "manufacturer 0x1234 type 0x0001 0x02000000"


def _said(data: bytes) -> tuple[str, ...]:
    return describer(OtaParams())(LinkFrame(down=True, data=data))


def test_each_command_is_a_line() -> None:
    block = frame(ImageBlockRequest(FILE, 100, 50, period=20), tsn=4)
    lines = {
        frame(ImageNotify(), tsn=1): "#1 image notify jitter=100",
        frame(QueryNextImageRequest(FILE, 3), tsn=2): f"#2 query next image: runs {NAMED} hardware=3",
        frame(QueryNextImageResponse(0, FILE, 9000), tsn=2): f"#2 next image: {NAMED}, 9000 bytes",
        frame(QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE), tsn=3): "#3 next image: NO_IMAGE_AVAILABLE",
        block: "#4 block from 100, at most 50, of 0x02000000 period=20 ms",
        frame(ImageBlockResponse(0, FILE, 100, b"secret"), tsn=4): "#4 block from 100: <6 bytes>",
        frame(ImageBlockResponse.wait(15), tsn=4): "#4 wait 15 s",
        frame(ImageBlockResponse(Status.ABORT), tsn=4): "#4 no block: ABORT",
        frame(
            ImagePageRequest(FILE, 0, 50, 2048, 10), tsn=5
        ): "#5 page from 0, 2048 in 50 every 10 ms, of 0x02000000",
        frame(UpgradeEndRequest(0x96, FILE), tsn=6): f"#6 end of {NAMED}: INVALID_IMAGE",
        frame(UpgradeEndResponse(FILE, 0, FOREVER), tsn=6): f"#6 start {NAMED}: wait",
        frame(UpgradeEndResponse(FILE, 0, 0), tsn=6): f"#6 start {NAMED}: now",
        declined(block, Status.MALFORMED_COMMAND): (
            "#4 default response to image_block_request: MALFORMED_COMMAND"
        ),
    }
    for zcl, line in lines.items():
        assert _said(zcl.encode()) == (line,)


def test_whatever_comes_is_a_line_and_nothing_is_raised() -> None:
    chance = random.Random(2)
    for _ in range(5000):
        (line,) = _said(chance.randbytes(chance.randrange(0, 30)))
        assert line
        assert len(line) < 200
