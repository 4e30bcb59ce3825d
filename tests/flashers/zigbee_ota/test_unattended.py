"""What a node is told while no flasher is with it: it may wait, and never has to give up."""

import random

import pytest

from flashers.zigbee_ota.codec import (
    File,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Request,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    frame,
    read_answer,
)
from flashers.zigbee_ota.codec.words import BASIC, FOREVER, OTA
from flashers.zigbee_ota.unattended import WAIT_S, unattended
from transports.zcl import Zcl

FILE = File(0x1234, 1, 2)
BLOCK, PAGE = ImageBlockRequest(FILE, 500, 50), ImagePageRequest(FILE, 500, 50, 2048, 0)
QUERY, END = QueryNextImageRequest(FILE), UpgradeEndRequest(0, FILE)


def _asked(what: Request) -> Zcl:
    return frame(what, endpoint=7, tsn=99)


@pytest.mark.parametrize(
    ("what", "opened", "answer"),
    [
        (QUERY, True, None),
        (QUERY, False, QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)),
        (BLOCK, True, ImageBlockResponse.wait(WAIT_S)),
        (BLOCK, False, None),
        (PAGE, True, ImageBlockResponse.wait(WAIT_S)),
        (PAGE, False, None),
        (END, True, UpgradeEndResponse(FILE, 0, FOREVER)),
        (END, False, UpgradeEndResponse(FILE, 0, FOREVER)),
        (
            QueryDeviceSpecificFileRequest(1, FILE),
            True,
            QueryDeviceSpecificFileResponse(Status.NO_IMAGE_AVAILABLE),
        ),
    ],
)
def test_each_question_has_its_answer_or_silence(what: Request, opened: bool, answer: object) -> None:
    said = unattended(_asked(what), opened)
    assert said.wants
    if answer is None:
        assert said.answer is None
        return
    assert said.answer is not None
    assert (said.answer.tsn, said.answer.endpoint) == (99, 7)
    assert read_answer(said.answer) == answer


def test_the_period_that_a_node_keeps_is_left_as_it_is() -> None:
    said = unattended(_asked(ImageBlockRequest(FILE, 0, 50, period=200)), True)
    assert said.answer is not None
    assert read_answer(said.answer) == ImageBlockResponse.wait(WAIT_S, period=200)


def test_an_image_that_a_node_does_not_take_is_heard_and_named() -> None:
    said = unattended(_asked(UpgradeEndRequest(Status.INVALID_IMAGE, FILE)), False)
    assert said.answer is not None
    assert said.answer.general
    assert said.answer.payload == bytes((6, 0))
    assert "0x96" in said.note


def test_a_node_that_is_nobodys_business_is_named_while_it_is_in_mid_image() -> None:
    assert "mid-image" in unattended(_asked(BLOCK), False).note
    assert unattended(_asked(BLOCK), True).note == ""


def test_nothing_that_can_be_sent_is_answered_by_giving_up() -> None:
    chance = random.Random(5)
    ended = {Status.ABORT, Status.NO_IMAGE_AVAILABLE}
    for _ in range(20_000):
        asked = Zcl(
            chance.choice((OTA, OTA, OTA, BASIC)),
            chance.randrange(12),
            chance.randbytes(chance.randrange(0, 24)),
            tsn=chance.randrange(256),
            to_client=chance.random() < 0.2,
            general=chance.random() < 0.2,
        )
        for opened in True, False:
            said = unattended(asked, opened)
            assert said == unattended(asked, opened)
            if said.answer is None or said.answer.general:
                continue
            told = read_answer(said.answer)
            assert not (isinstance(told, ImageBlockResponse) and told.status in ended)
            assert not (isinstance(told, UpgradeEndResponse) and told.upgrade_at != FOREVER)
