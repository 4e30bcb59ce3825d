"""Values of the control point, as the SDK's own loader has them, and whatever else may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import LinkFrame
from flashers.nordic_dfu.legacy import codec
from flashers.nordic_dfu.legacy.codec import Command, Receipt, Response, Sizes
from flashers.nordic_dfu.legacy.describe import describer
from flashers.nordic_dfu.legacy.words import Kind, Op, Result, Step
from tests.flashers.nordic_dfu.legacy_world import PARAMS


@pytest.mark.parametrize(
    ("written", "value"),
    [
        # As they are written down in the documentation of Nordic's SDK 11 and of its Android library.
        (codec.start(Kind.APPLICATION), "01 04"),
        (codec.sizes(0x1234), "00000000 00000000 34120000"),
        (codec.init(Step.BEGIN), "02 00"),
        (codec.init(Step.COMPLETE), "02 01"),
        (codec.receipts(10), "08 0a00"),
        (codec.plain(Op.RECEIVE), "03"),
        (codec.plain(Op.VALIDATE), "04"),
        (codec.plain(Op.ACTIVATE), "05"),
        (codec.plain(Op.RESET), "06"),
        (codec.response(Op.START, Result.SUCCESS), "10 01 01"),
        (codec.receipt(200), "11 c8000000"),
    ],
)
def test_messages_have_the_bytes_that_the_loaders_know(written: bytes, value: str) -> None:
    assert written == bytes.fromhex(value)


def test_what_one_side_writes_the_other_one_reads() -> None:
    assert codec.read_command(codec.receipts(300)) == Command(Op.RECEIPTS, b"\x2c\x01")
    assert codec.read_sizes(codec.sizes(400)) == Sizes(0, 0, 400)
    assert codec.read_answer(codec.response(Op.VALIDATE, Result.CRC_ERROR)) == Response(4, 5)
    assert codec.read_answer(codec.receipt(70_000)) == Receipt(70_000)


@given(st.binary(max_size=40))
def test_nothing_that_comes_from_outside_raises(data: bytes) -> None:
    command, answer, sizes = codec.read_command(data), codec.read_answer(data), codec.read_sizes(data)
    assert command is None or command.op < Op.RESPONSE
    assert answer is None or data[0] in (Op.RESPONSE, Op.RECEIPT)
    assert (sizes is None) == (len(data) != 12)
    if isinstance(answer, Response):
        assert answer.said


def test_a_recording_is_told_a_line_a_command_and_without_the_image() -> None:
    describe = describer(PARAMS)
    init = bytes.fromhex("ffffffff 00000200 0100 6400 3412")
    frames = [
        (False, b"1.0.0"),
        (True, codec.start(Kind.APPLICATION)),
        (True, codec.sizes(60)),
        (False, codec.response(Op.START, Result.SUCCESS)),
        (True, codec.init(Step.BEGIN)),
        (True, init),
        (True, codec.init(Step.COMPLETE)),
        (True, codec.receipts(2)),
        (True, codec.plain(Op.RECEIVE)),
        *[(True, bytes(20)) for _ in range(2)],
        (False, codec.receipt(40)),
        (True, b"\x05" + bytes(19)),
        (False, codec.response(Op.RECEIVE, Result.SUCCESS)),
        (True, codec.plain(Op.VALIDATE)),
        (False, codec.response(Op.VALIDATE, Result.CRC_ERROR)),
        (True, codec.plain(Op.RESET)),
    ]
    said = [line for down, data in frames for line in describe(LinkFrame(down=down, data=data))]
    assert said == [
        "reads '1.0.0'",
        "start application",
        "sizes softdevice=0 bootloader=0 application=60",
        "start: success",
        "init begin",
        "init complete",
        "init packet type=65535 revision=65535 version=131072 softdevices=0x0064",
        "receipts every 2 packets",
        "receive",
        "image <40 bytes> in 2 packets",
        "receipt 40",
        "image <20 bytes> in 1 packets",
        "receive: success",
        "validate",
        "validate: crc error",
        "reset",
    ]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=24)), max_size=30))
def test_no_recording_makes_the_description_raise(frames: list[tuple[bool, bytes]]) -> None:
    describe = describer(PARAMS)
    for down, data in frames:
        assert all(isinstance(line, str) for line in describe(LinkFrame(down=down, data=data)))
