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
