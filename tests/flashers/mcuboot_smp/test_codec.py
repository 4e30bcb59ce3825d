"""SMP on a console: what is written, what is found again, and what is left alone."""

import tracemalloc
from contextlib import suppress
from itertools import pairwise

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.mcuboot_smp.codec import (
    BadMessage,
    ConsoleDecoder,
    Message,
    Op,
    SaidNo,
    decode_packet,
    encode_answer,
    encode_lines,
    encode_packet,
    max_packet,
    said_no,
)

PLAIN = st.one_of(st.integers(-(2**63), 2**63), st.booleans(), st.text(max_size=20), st.binary(max_size=40))
BODIES = st.dictionaries(
    st.text(max_size=8), PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=4), PLAIN)
)
MESSAGES = st.builds(
    Message,
    op=st.integers(0, 7),
    group=st.integers(0, 0xFFFF),
    command=st.integers(0, 0xFF),
    sequence=st.integers(0, 0xFF),
    body=BODIES,
    version=st.integers(0, 3),
)
CONSOLE = st.binary(max_size=60).map(lambda text: text.replace(b"\x06", b".").replace(b"\x04", b"."))

ECHO = Message(Op.WRITE, 0, 0, 0, {"d": "hello"})


def lines_of(message: Message) -> bytes:
    return encode_lines(encode_packet(message))


def test_a_request_is_written_as_smpclient_writes_it() -> None:
    assert encode_packet(ECHO).hex() == "0a00000900000000a161646568656c6c6f"
    assert lines_of(ECHO) == b"\x06\tABMKAAAJAAAAAKFhZGVoZWxsb6J/\n"


def test_a_long_request_is_cut_where_smpclient_cuts_it() -> None:
    written = lines_of(Message(Op.WRITE, 0, 0, 1, {"d": "x" * 120}))
    first, second, end = written.split(b"\n")
    assert (first[:10], len(first)) == (b"\x06\tAIcKAAB9", 126)
    assert second == b"\x04\x14eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4hBQ="
    assert end == b""


@given(st.binary(min_size=8, max_size=2000), st.integers(32, 300))
def test_no_line_is_longer_than_the_console_takes(packet: bytes, limit: int) -> None:
    for line in encode_lines(packet, limit).split(b"\n"):
        assert len(line) + 1 <= limit


@given(st.integers(1, 10), st.integers(32, 300))
def test_the_longest_message_fills_its_lines_and_no_more(lines: int, limit: int) -> None:
    longest = max_packet(lines, limit)
    if longest > 0:
        assert encode_lines(bytes(longest), limit).count(b"\n") == lines
        assert encode_lines(bytes(longest + 1), limit).count(b"\n") == lines + 1


@given(MESSAGES)
def test_what_is_written_is_read_back(message: Message) -> None:
    assert ConsoleDecoder().receive_data(lines_of(message)) == [message]


@given(st.lists(st.tuples(MESSAGES, CONSOLE), max_size=4), st.data())
def test_decoder_does_not_care_how_the_stream_is_cut(
    sent: list[tuple[Message, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(console + b"\n" + lines_of(message) for message, console in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    decoder = ConsoleDecoder()
    found = [m for a, b in pairwise([0, *cuts, len(stream)]) for m in decoder.receive_data(stream[a:b])]
    assert found == [message for message, _ in sent]
    assert decoder.dropped == 0


def test_the_console_may_speak_between_the_lines_of_one_message() -> None:
    long = Message(Op.READ_ANSWER, 1, 0, 3, {"d": "x" * 300})
    lines = lines_of(long).splitlines(keepends=True)
    assert len(lines) > 2
    stream = b"fw 1.2.3\r\n".join(lines)
    assert ConsoleDecoder().receive_data(stream) == [long]


def test_a_message_begins_behind_half_a_line_of_a_node_that_lost_its_power() -> None:
    whole = lines_of(ECHO)
    assert ConsoleDecoder().receive_data(b"booti" + whole) == [ECHO]
    assert ConsoleDecoder().receive_data(whole[:9] + whole) == [ECHO]


def test_lines_may_end_with_a_carriage_return() -> None:
    assert ConsoleDecoder().receive_data(lines_of(ECHO).replace(b"\n", b"\r\n")) == [ECHO]


def test_every_flipped_bit_of_a_message_is_noticed() -> None:
    written = lines_of(Message(Op.WRITE_ANSWER, 1, 1, 9, {"rc": 0, "off": 123456}))
    for place in range(2, len(written) - 1):
        for bit in range(8):
            bent = bytearray(written)
            bent[place] ^= 1 << bit
            assert ConsoleDecoder().receive_data(bytes(bent) + lines_of(ECHO))[-1:] == [ECHO]
            assert [
                m for m in ConsoleDecoder().receive_data(bytes(bent)) if m.body.get("off") != 123456
            ] == []


def test_a_lost_line_costs_one_message_and_not_the_next() -> None:
    first, *_, last = lines_of(Message(Op.WRITE, 0, 0, 1, {"d": "x" * 300})).splitlines(keepends=True)
    decoder = ConsoleDecoder()
    assert decoder.receive_data(first + last + lines_of(ECHO)) == [ECHO]
    assert decoder.receive_data(last + lines_of(ECHO)) == [ECHO]


@given(
    st.lists(
        st.binary(max_size=300) | st.sampled_from([b"\x06\x09", b"\x04\x14", b"\n", b"AAAA"]), max_size=30
    )
)
def test_whatever_comes_the_decoder_goes_on(chunks: list[bytes]) -> None:
    decoder = ConsoleDecoder()
    for chunk in chunks:
        for message in decoder.receive_data(chunk):
            assert isinstance(message, Message)
    assert decoder.receive_data(b"\n" + lines_of(ECHO)) == [ECHO]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_named_error(packet: bytes) -> None:
    for candidate in (packet, b"\x01\x00" + len(packet).to_bytes(2, "big") + bytes(4) + packet):
        with suppress(BadMessage):
            assert all(isinstance(key, str) for key in decode_packet(candidate).body)


@pytest.mark.parametrize(
    ("what", "payload"),
    [
        ("an endless list", b"\xa1\x61a\x9b" + b"\x7f" * 8),
        ("an endless string", b"\xa1\x61a\x5b" + b"\x7f" * 8),
        ("lists in lists", b"\xa1\x61a" + b"\x81" * 400 + b"\x00"),
        ("a list that holds itself", b"\xa1\x61a\xd8\x1c\x81\xd8\x1d\x00"),
        ("a number of billions of digits", b"\xa1\x61a\xc4\x82\x1b" + b"\x7f" * 8 + b"\x01"),
        ("a regular expression", b"\xa1\x61a\xd8\x23\x62.*"),
        ("a date", b"\xa1\x61a\xc1\x00"),
        ("an unknown tag", b"\xa1\x61a\xd9\xff\xf0\x00"),
        ("no map", b"\x80"),
        ("half a map", b"\xa2\x61a\x00"),
        ("no UTF-8", b"\xa1\x61a\x62\xff\xff"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_bodies_are_refused_by_name(what: str, payload: bytes) -> None:
    packet = b"\x01\x00" + len(payload).to_bytes(2, "big") + bytes(4) + payload
    with pytest.raises(BadMessage):
        decode_packet(packet)


def test_the_decoder_s_memory_is_bounded() -> None:
    decoder = ConsoleDecoder()
    line = b"\x04\x14" + b"QUFB" * 30 + b"\n"
    tracemalloc.start()
    try:
        for _ in range(200):
            decoder.receive_data(b"\x06\x09" + b"A" * 3000)
            decoder.receive_data(b"\x06\x09//8=\n" + line * 100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000
    assert decoder.receive_data(b"\n" + lines_of(ECHO)) == [ECHO]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, None),
        ({"rc": 0, "off": 5}, None),
        ({"rc": 8}, SaidNo(8)),
        ({"err": {"group": 1, "rc": 9}}, SaidNo(9, 1)),
        ({"err": {"group": 1, "rc": 0}}, None),
        ({"err": {"rc": 3}}, SaidNo(3)),
        ({"err": "no"}, None),
        ({"rc": "no"}, None),
    ],
)
def test_both_forms_of_a_refusal_are_understood(body: dict[str, object], said: SaidNo | None) -> None:
    assert said_no(body) == said


def test_a_refusal_says_what_it_means() -> None:
    assert str(SaidNo(9, 1)) == "no free slot (group 1, rc 9)"
    assert str(SaidNo(8)) == "not supported (rc 8)"
    assert str(SaidNo(8, 77)) == "an error of its own (group 77, rc 8)"
    assert [SaidNo(8).unsupported, SaidNo(8, 1).unsupported, SaidNo(9).unsupported] == [True, False, False]


def test_an_answer_names_its_request() -> None:
    answer = encode_answer(Message(Op.WRITE, 1, 1, 77, {}), {"off": 3})
    assert (answer.op, answer.group, answer.command, answer.sequence) == (Op.WRITE_ANSWER, 1, 1, 77)
    assert cbor2.loads(encode_packet(answer)[8:]) == {"off": 3}


@pytest.mark.parametrize("wrong", [-1, 1, 100])
def test_a_header_that_speaks_of_another_length_is_refused(wrong: int) -> None:
    packet = bytearray(encode_packet(ECHO))
    packet[3] += wrong
    with pytest.raises(BadMessage, match="the header speaks of"):
        decode_packet(bytes(packet))
