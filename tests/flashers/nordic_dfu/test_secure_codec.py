"""The secure codec and the decoder of recordings: every message, and whatever else may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import LinkFrame
from flashers.nordic_dfu.secure import codec
from flashers.nordic_dfu.secure.codec import DoorAnswer, Place, Request, Response
from flashers.nordic_dfu.secure.describe import describer
from flashers.nordic_dfu.secure.words import Door, DoorResult, Extended, Object, Op, Result
from tests.flashers.nordic_dfu.secure_world import PARAMS


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (codec.create(Object.DATA, 4096), Request(Op.CREATE, Object.DATA, 4096)),
        (codec.receipts(17), Request(Op.RECEIPTS, value=17)),
        (codec.select(Object.COMMAND), Request(Op.SELECT, Object.COMMAND)),
        (codec.plain(Op.CRC), Request(Op.CRC)),
        (codec.plain(Op.EXECUTE), Request(Op.EXECUTE)),
        (codec.plain(Op.ABORT), Request(Op.ABORT)),
    ],
)
def test_requests_come_back(data: bytes, request_: Request) -> None:
    assert codec.read_request(data) == request_


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (codec.response(Op.CREATE), Response(Op.CREATE, Result.SUCCESS)),
        (
            codec.response(Op.SELECT, place=Place(5000, 0xDEADBEEF), largest=4096),
            Response(Op.SELECT, Result.SUCCESS, place=Place(5000, 0xDEADBEEF), largest=4096),
        ),
        (
            codec.response(Op.CRC, place=Place(7, 9)),
            Response(Op.CRC, Result.SUCCESS, place=Place(7, 9)),
        ),
        (codec.response(Op.EXECUTE, Result.NOT_PERMITTED), Response(Op.EXECUTE, Result.NOT_PERMITTED)),
        (
            codec.response(Op.EXECUTE, Result.EXTENDED, extended=Extended.FW_VERSION_FAILURE),
            Response(Op.EXECUTE, Result.EXTENDED, Extended.FW_VERSION_FAILURE),
        ),
    ],
)
def test_answers_come_back(data: bytes, answer: Response) -> None:
    assert codec.read_response(data) == answer


def test_the_bytes_are_those_of_the_documentation() -> None:
    """nRF5 SDK 17.1.0, DFU transport BLE: a select of the command object, and its answer."""
    assert codec.select(Object.COMMAND) == bytes.fromhex("0601")
    answer = bytes.fromhex("600601 00020000 00000000 00000000")
    assert codec.read_response(answer) == Response(Op.SELECT, 1, place=Place(0, 0), largest=512)
    assert codec.create(Object.DATA, 4096) == bytes.fromhex("0102 00100000")
    assert codec.set_name("Dfu1") == bytes.fromhex("0204 44667531")


@given(st.binary(max_size=40))
def test_whatever_comes_is_a_message_or_none(data: bytes) -> None:
    for read in (codec.read_request, codec.read_response, codec.read_door):
        read(data)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=12))
def test_no_recording_makes_the_decoder_raise(frames: list[tuple[bool, bytes]]) -> None:
    describe = describer(PARAMS)
    for down, data in frames:
        for line in describe(LinkFrame(down, data)):
            assert "\n" not in line


def test_a_recording_is_told_without_the_image() -> None:
    describe = describer(PARAMS)
    said = [
        line
        for down, data in (
            (True, codec.enter()),
            (False, bytes((Door.RESPONSE, Door.ENTER, DoorResult.SUCCESS))),
            (True, codec.create(Object.DATA, 4096)),
            (False, codec.response(Op.CREATE)),
            (True, b"secret bytes of the image" * 4),
            (True, b"secret bytes of the image" * 4),
            (False, codec.response(Op.CRC, place=Place(200, 0x1234))),
            (False, codec.response(Op.EXECUTE, Result.EXTENDED, extended=Extended.HASH_FAILED)),
        )
        for line in describe(LinkFrame(down, data))
    ]
    assert said == [
        "enter the loader",
        "door: operation 1: success",
        "create data of 4096 bytes",
        "create: success",
        "2 packets <200 bytes>",
        "crc: success at 200, crc 00001234",
        "execute: hash failed",
    ]


def test_the_door_says_why() -> None:
    assert codec.read_door(bytes((0x20, 1, 7))) == DoorAnswer(1, 7)
    assert DoorAnswer(1, DoorResult.NOT_BONDED).said == "not bonded"
    assert DoorAnswer(1, 99).said == "result 99"
