"""The serial line of the coordinator: frames however they are cut, and commands that nobody knows."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from transports.virtual.clock import run_virtual
from transports.virtual.zigbee import VirtualNetwork, mt
from transports.virtual.zigbee.mt import Decoder, Kind, System

FRAMES = st.lists(
    st.tuples(
        st.sampled_from(list(Kind)),
        st.integers(0, 0x1F),
        st.integers(0, 0xFF),
        st.binary(max_size=mt.MAX_DATA),
    ),
    max_size=6,
)
PING = (Kind.SREQ | System.SYS, 0x01)


@given(FRAMES, st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_decoder_does_not_care_how_the_stream_is_cut(
    frames: list[tuple[Kind, int, int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(mt.encode(*frame) for frame in frames)
    decoder, at, turn = Decoder(), 0, 0
    found: list[tuple[int, int, bytes]] = []
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += decoder.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == [(kind | system, command, data) for kind, system, command, data in frames]


@given(st.binary(max_size=60).filter(lambda noise: mt.START not in noise))
def test_noise_in_front_of_a_frame_is_passed_over(noise: bytes) -> None:
    assert list(Decoder().feed(noise + mt.encode(Kind.SREQ, System.SYS, 0x01))) == [(*PING, b"")]


def test_spoiled_frame_is_dropped_and_the_next_one_heard() -> None:
    spoiled = bytearray(mt.encode(Kind.SREQ, System.SYS, 0x13, b"\x21\x00"))
    spoiled[-1] ^= 0x55
    decoder = Decoder()
    assert list(decoder.feed(bytes(spoiled) + mt.encode(Kind.SREQ, System.SYS, 0x01))) == [(*PING, b"")]
    assert decoder.spoiled == 1


@given(st.lists(st.binary(max_size=40), max_size=10), st.binary(max_size=300))
def test_no_bytes_of_a_host_stop_the_coordinator(bodies: list[bytes], noise: bytes) -> None:
    """Every request is answered, if only with an error, and a ping still is at the end."""

    async def main() -> None:
        async with VirtualNetwork(seed=1) as network:
            said: list[bytes] = []
            network.ncp.attach(said.append)
            for number, body in enumerate(bodies):
                system = list(System)[number % len(System)]
                said.clear()
                network.ncp.receive(mt.encode(Kind.SREQ, system, body[0] if body else number, body))
                assert said, "a request without an answer"
            network.ncp.receive(noise + bytes(mt.MAX_DATA + 5))
            said.clear()
            network.ncp.receive(mt.encode(Kind.SREQ, System.SYS, 0x01))
            assert [frame[2:4] for frame in said] == [bytes((Kind.SRSP | System.SYS, 0x01))]

    run_virtual(main())


def test_unknown_command_and_one_cut_short_are_named_to_the_host() -> None:
    async def main() -> None:
        async with VirtualNetwork(seed=1) as network:
            said: list[bytes] = []
            network.ncp.attach(said.append)
            network.ncp.receive(mt.encode(Kind.SREQ, System.ZDO, 0x7F))
            network.ncp.receive(mt.encode(Kind.SREQ, System.AF, 0x02, b"\x02"))
            error = struct.pack("BB", Kind.SRSP | System.RPC_ERROR, 0)
            assert [frame[2:-1] for frame in said] == [error + b"\x02\x25\x7f", error + b"\x04\x24\x02"]
            assert network.ncp.unknown == [(0x25, 0x7F)]

    run_virtual(main())
