"""Telnet, as bytes: whatever is sent, and however it is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from transports.uart.telnet import (
    BINARY,
    COM_PORT,
    SUBNEGOTIATION_LIMIT,
    Broken,
    Data,
    Event,
    Negotiation,
    Negotiator,
    Subnegotiation,
    TelnetDecoder,
    Verb,
    encode,
)

OPTIONS = st.integers(0, 254)
EVENTS = st.one_of(
    st.builds(Data, st.binary(min_size=1, max_size=40)),
    st.builds(Negotiation, st.sampled_from(Verb), st.integers(0, 255)),
    st.builds(Subnegotiation, OPTIONS, st.binary(max_size=40)),
)
TELNETTISH = st.lists(
    st.one_of(
        st.sampled_from([b"\xff", b"\xff\xfa", b"\xff\xf0", b"\xff\xff", b"\xff\xfd\x2c"]),
        st.binary(max_size=9),
    )
).map(b"".join)


def joined(events: list[Event]) -> list[Event]:
    """Events with neighbouring data put together."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, Data) and out and isinstance(last := out[-1], Data):
            out[-1] = Data(last.data + event.data)
        else:
            out.append(event)
    return out


def decoded(pieces: list[bytes]) -> list[Event]:
    decoder = TelnetDecoder()
    return joined([event for piece in pieces for event in decoder.receive_data(piece)])


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(marks)]


@given(st.lists(EVENTS, max_size=20), st.lists(st.integers(0, 10_000), max_size=20))
def test_what_one_end_says_the_other_end_hears(events: list[Event], places: list[int]) -> None:
    stream = b"".join(encode(event) for event in events if not isinstance(event, Broken))
    assert decoded(cut(stream, places)) == joined(events)


@given(TELNETTISH, st.lists(st.integers(0, 10_000), max_size=20))
def test_the_decoder_does_not_care_how_the_stream_is_cut(stream: bytes, places: list[int]) -> None:
    assert decoded(cut(stream, places)) == decoded([stream]) == decoded([bytes((b,)) for b in stream])


@given(st.lists(TELNETTISH, max_size=30))
def test_junk_ends_a_stream_at_worst_and_never_raises(pieces: list[bytes]) -> None:
    events = decoded(pieces)
    assert all(not isinstance(event, Broken) for event in events[:-1])


def test_an_endless_subnegotiation_is_given_up_in_bounded_memory() -> None:
    decoder = TelnetDecoder()
    events = decoder.receive_data(b"\xff\xfa\x2c")
    for _ in range(10_000):
        events += decoder.receive_data(b"\xff\xff" * 100)
        assert len(decoder._rest) <= 2 * SUBNEGOTIATION_LIMIT + 8
    assert [type(event) for event in events] == [Broken]


def test_two_ends_come_to_terms_and_then_fall_silent() -> None:
    one, two = Negotiator(frozenset({BINARY, COM_PORT})), Negotiator(frozenset({BINARY, COM_PORT}))
    to_two, to_one = one.propose(), two.propose()
    rounds = 0
    while to_one or to_two:
        rounds += 1
        assert rounds < 5
        heard_by_two, heard_by_one = decoded([to_two]), decoded([to_one])
        to_one = b"".join(two.answer(event) for event in heard_by_two if isinstance(event, Negotiation))
        to_two = b"".join(one.answer(event) for event in heard_by_one if isinstance(event, Negotiation))
    assert one.ours == one.theirs == two.ours == two.theirs == {BINARY, COM_PORT}


def test_an_option_that_we_do_not_have_is_refused_both_ways() -> None:
    end = Negotiator(frozenset({BINARY}))
    assert end.answer(Negotiation(Verb.DO, 24)) == encode(Negotiation(Verb.WONT, 24))
    assert end.answer(Negotiation(Verb.WILL, 1)) == encode(Negotiation(Verb.DONT, 1))
    assert end.ours == end.theirs == set()


@given(st.lists(st.builds(Negotiation, st.sampled_from(Verb), st.integers(0, 3)), max_size=30))
def test_an_answer_is_never_longer_than_the_question(heard: list[Negotiation]) -> None:
    end = Negotiator(frozenset({BINARY, 3}))
    end.propose()
    for event in heard:
        assert len(end.answer(event)) in (0, 3)
    assert end.ours | end.theirs <= {BINARY, 3}
