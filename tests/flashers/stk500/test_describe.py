"""A recording of an STK500 line is legible, however it was cut, and has no byte of an image in it."""

from hypothesis import given
from hypothesis import strategies as st

from flashers.api import LinkFrame
from flashers.stk500 import PLUGIN, codec
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import Loader

PAGE = bytes(range(128))


def said(*frames: LinkFrame) -> list[str]:
    assert PLUGIN.describe is not None
    describe = PLUGIN.describe(Stk500Params(part="atmega328p", loader=Loader.OPTIBOOT))
    return [text for frame in frames for text in describe(frame)]


def down(*requests: codec.Request) -> LinkFrame:
    return LinkFrame(True, b"".join(request.encode() for request in requests))


def test_a_page_is_told_by_its_address_and_size_without_its_bytes() -> None:
    told = said(down(codec.load_address(0x200), codec.prog_page(PAGE)), LinkFrame(False, codec.reply() * 2))
    assert told == [
        "load address 0x0200",
        "program page 128 bytes of 'F'",
        "load address: ok",
        "program page: ok",
    ]
    assert (
        said(down(codec.read_page(128)), LinkFrame(False, codec.reply(PAGE)))[1] == "read page: ok 128 bytes"
    )


def test_short_answers_are_told_as_they_are() -> None:
    told = said(down(codec.SIGNATURE), LinkFrame(False, codec.reply(b"\x1e\x95\x0f")))
    assert told == ["read signature", "read signature: ok 1e 95 0f"]


def test_what_is_no_command_is_the_consoles() -> None:
    told = said(LinkFrame(True, b"health?\n"), LinkFrame(False, b"ok 21.5\nfw 1.0\n"))
    assert told == ["text 'health?'", "console 'ok 21.5'", "console 'fw 1.0'"]


@given(st.lists(st.integers(1, 30), max_size=40))
def test_what_is_said_does_not_depend_on_how_the_answers_were_cut(cuts: list[int]) -> None:
    asked = down(codec.SYNC, codec.read_page(128), codec.SIGNATURE)
    data = codec.reply() + codec.reply(PAGE) + codec.reply(b"\x1e\x95\x0f")
    whole, frames = said(asked, LinkFrame(False, data)), [asked]
    for cut in cuts:
        frames.append(LinkFrame(False, data[:cut]))
        data = data[cut:]
    assert said(*frames, LinkFrame(False, data)) == whole


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=20))
def test_whatever_comes_is_read_without_an_error(frames: list[tuple[bool, bytes]]) -> None:
    assert all(len(text) < 1000 for text in said(*(LinkFrame(down, data) for down, data in frames)))
