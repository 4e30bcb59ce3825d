"""STK500v1 on the line: what is sent, what is understood, and what is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import ProtocolError
from flashers.stk500 import codec
from flashers.stk500.codec import LostSync, Replies, Request, Requests


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (codec.SYNC, "30 20"),
        (codec.SIGNATURE, "75 20"),
        (codec.ENTER, "50 20"),
        (codec.LEAVE, "51 20"),
        (codec.NOTHING, "56 00 00 00 00 20"),
        (codec.get_parameter(codec.SW_MAJOR), "41 81 20"),
        (codec.load_address(0x7E80), "55 40 3f 20"),
        (codec.load_address(0x1FF00), "55 80 ff 20"),
        (codec.prog_page(b"\x01\x02"), "64 00 02 46 01 02 20"),
        (codec.prog_page(bytes(256)), "64 01 00 46" + " 00" * 256 + " 20"),
        (codec.read_page(128), "74 00 80 46 20"),
        (codec.read_page(256), "74 01 00 46 20"),
    ],
)
def test_a_request_is_sent_as_avr061_writes_it(request_: Request, line: str) -> None:
    assert request_.encode() == bytes.fromhex(line)


def test_an_answer_carries_what_was_asked_for() -> None:
    replies = Replies([codec.load_address(0), codec.read_page(3)])
    replies.receive_data(bytes.fromhex("14 10 14 0a 10"))
    assert (replies.complete, replies.payloads, replies.rest) == (False, [b""], b"")
    replies.receive_data(bytes.fromhex("14 10 66 77"))
    assert (replies.complete, replies.rest) == (True, b"\x66\x77")
    assert replies.payloads == [b"", b"\x0a\x10\x14"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("15", "NOSYNC instead of INSYNC"),
        ("66", "0x66 instead of INSYNC"),
        ("14 11", "FAILED instead of OK"),
        ("14 12", "UNKNOWN instead of OK"),
        ("14 13", "NODEVICE instead of OK"),
        ("14 14", "0x14 instead of OK"),
    ],
)
def test_another_answer_is_named_at_once(line: str, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        Replies([codec.SYNC]).receive_data(bytes.fromhex(line))


REQUESTS = st.one_of(
    st.sampled_from([codec.SYNC, codec.SIGNATURE, codec.ENTER, codec.LEAVE, codec.NOTHING]),
    st.integers(0, 255).map(codec.get_parameter),
    st.integers(0, 0xFFFF).map(lambda word: codec.load_address(word * 2)),
    st.integers(1, 256).map(codec.read_page),
    st.binary(min_size=1, max_size=256).map(codec.prog_page),
    st.binary(min_size=20, max_size=20).map(lambda data: Request(codec.SET_DEVICE, data)),
    st.binary(min_size=5, max_size=5).map(lambda data: Request(codec.SET_DEVICE_EXT, data)),
    st.binary(min_size=2, max_size=2).map(lambda data: Request(codec.SET_PARAMETER, data)),
    st.just(Request(codec.CHIP_ERASE)),
)


def heard(found: list[Request | LostSync]) -> list[tuple[bool, int, bytes]]:
    """Without ``answer``, which only the one who asks knows."""
    return [
        (False, each.request.command, each.request.arguments)
        if isinstance(each, LostSync)
        else (True, each.command, each.arguments)
        for each in found
    ]


@given(st.lists(REQUESTS, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_a_loader_hears_the_same_however_the_stream_is_cut(requests: list[Request], cuts: list[int]) -> None:
    line = b"".join(request.encode() for request in requests)
    edges = sorted({0, len(line), *(cut % (len(line) + 1) for cut in cuts)})
    loader = Requests()
    found = [message for start, end in pairwise(edges) for message in loader.receive_data(line[start:end])]
    assert heard(found) == [(True, request.command, request.arguments) for request in requests]
    assert loader.pending == b""


@given(st.binary(max_size=600), st.booleans(), st.lists(st.integers(0, 600), max_size=5))
def test_no_noise_makes_a_loader_stumble(noise: bytes, optiboot: bool, cuts: list[int]) -> None:
    whole = Requests(blank_after_unknown=optiboot)
    expected = heard(whole.receive_data(noise))
    edges = sorted({0, len(noise), *(cut % (len(noise) + 1) for cut in cuts)})
    cut = Requests(blank_after_unknown=optiboot)
    found = [m for a, b in pairwise(edges) for m in cut.receive_data(noise[a:b])]
    assert heard(found) == expected
    assert cut.pending == whole.pending
    assert len(whole.pending) <= 4 + codec.MAX_BLOCK


@given(st.lists(st.integers(0, 8), min_size=1, max_size=4), st.binary(max_size=40), st.data())
def test_no_noise_makes_an_answer_of_it(sizes: list[int], noise: bytes, data: st.DataObject) -> None:
    replies = Replies([Request(0, answer=size) for size in sizes])
    at = 0
    try:
        while at < len(noise) and not replies.complete:
            step = data.draw(st.integers(1, 8))
            replies.receive_data(noise[at : at + step])
            at += step
    except ProtocolError:
        return
    taken = b"".join(codec.reply(payload) for payload in replies.payloads)
    assert noise.startswith(taken)
    assert [len(payload) for payload in replies.payloads] == sizes[: len(replies.payloads)]


def test_a_request_without_its_blank_loses_sync() -> None:
    loader = Requests()
    assert loader.receive_data(b"0x") == [LostSync(Request(codec.GET_SYNC))]
    assert loader.receive_data(b"U\x01\x02 0 ") == [
        Request(codec.LOAD_ADDRESS, b"\x01\x02"),
        Request(codec.GET_SYNC),
    ]


def test_the_loaders_differ_in_what_follows_an_unknown_command() -> None:
    assert Requests().receive_data(b"y 0 ") == [Request(ord("y")), Request(codec.GET_SYNC)]
    skipping = Requests(blank_after_unknown=False)
    assert skipping.receive_data(b"y0 ") == [LostSync(Request(ord("y"))), Request(codec.GET_SYNC)]


@pytest.mark.parametrize(
    ("header", "size"), [("0080", 128), ("0100", 256), ("0000", 256), ("0001", 1), ("0101", 1)]
)
def test_a_length_counts_in_eight_bits(header: str, size: int) -> None:
    assert codec.block_size(bytes.fromhex(header)) == size
