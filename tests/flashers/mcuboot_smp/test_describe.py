"""A recording of an SMP console is legible, however it was cut, and has no byte of an image in it."""

from hypothesis import given
from hypothesis import strategies as st

from flashers.api import LinkFrame
from flashers.mcuboot_smp import PLUGIN
from flashers.mcuboot_smp.codec import Group, ImageCommand, Message, Op, encode_lines, encode_packet
from flashers.mcuboot_smp.params import SmpParams

IMAGE = bytes(range(200, 256)) * 4
UPLOAD = Message(
    Op.WRITE, Group.IMAGE, ImageCommand.UPLOAD, 7, {"off": 1024, "data": IMAGE, "sha": b"\xab" * 32}
)
ANSWER = Message(Op.WRITE_ANSWER, Group.IMAGE, ImageCommand.UPLOAD, 7, {"off": 1248})
REFUSED = Message(Op.WRITE_ANSWER, Group.IMAGE, ImageCommand.UPLOAD, 8, {"err": {"group": 1, "rc": 30}})


def lines(*messages: Message) -> bytes:
    return b"".join(encode_lines(encode_packet(message)) for message in messages)


def said(*frames: LinkFrame) -> list[str]:
    assert PLUGIN.describe is not None
    describe = PLUGIN.describe(SmpParams())
    return [text for frame in frames for text in describe(frame)]


def test_an_upload_is_told_by_its_offset_and_its_size_without_its_bytes() -> None:
    (told,) = said(LinkFrame(True, lines(UPLOAD)))
    assert told == f"write image/upload seq=7 off=1024 data=<{len(IMAGE)} bytes> sha=abababababab…"
    assert said(LinkFrame(False, lines(ANSWER))) == ["write answer image/upload seq=7 off=1248 rc=0"]


def test_a_refusal_is_told_by_its_name() -> None:
    (told,) = said(LinkFrame(False, lines(REFUSED)))
    assert told == "write answer image/upload seq=8 rc=30: image too large (group 1, rc 30)"


def test_the_nodes_own_words_stand_between_its_answers() -> None:
    told = said(LinkFrame(False, b"boot ok\r\n" + lines(ANSWER) + b"fw 1.2\n"))
    assert sorted(told) == [
        "console 'boot ok'",
        "console 'fw 1.2'",
        "write answer image/upload seq=7 off=1248 rc=0",
    ]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_what_is_said_does_not_depend_on_how_the_stream_was_cut(cuts: list[int]) -> None:
    data, frames = lines(ANSWER, REFUSED), []
    for cut in cuts:
        frames.append(LinkFrame(False, data[:cut]))
        data = data[cut:]
    frames.append(LinkFrame(False, data))
    assert said(*frames) == said(LinkFrame(False, lines(ANSWER, REFUSED)))


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=20))
def test_whatever_comes_is_read_without_an_error(frames: list[tuple[bool, bytes]]) -> None:
    for text in said(*(LinkFrame(down, data) for down, data in frames)):
        assert len(text) < 4000


def test_values_over_a_radio_are_read_as_messages_however_they_were_cut() -> None:
    ask = Message(Op.WRITE, Group.IMAGE, ImageCommand.UPLOAD, 7, {"off": 512, "data": bytes(300)})
    answer = Message(Op.WRITE_ANSWER, Group.IMAGE, ImageCommand.UPLOAD, 7, {"rc": 0, "off": 812})
    packet = encode_packet(ask)
    told = said(
        LinkFrame(False, b"\x00\x0a\xff the end of something"),
        LinkFrame(True, packet[:244]),
        LinkFrame(True, packet[244:]),
        LinkFrame(False, encode_packet(answer)),
    )
    assert told[-2:] == [
        "write image/upload seq=7 off=512 data=<300 bytes>",
        "write answer image/upload seq=7 off=812 rc=0",
    ]


def test_one_that_was_lost_with_its_connection_does_not_spoil_the_next() -> None:
    ask = Message(Op.READ, Group.IMAGE, ImageCommand.STATE, 1, {})
    long = encode_packet(Message(Op.WRITE, Group.IMAGE, ImageCommand.UPLOAD, 9, {"data": bytes(300)}))
    assert said(LinkFrame(True, long[:200]), LinkFrame(True, encode_packet(ask))) == [
        "read image/state seq=1"
    ]
