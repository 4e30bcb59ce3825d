"""Faults are data: read from text, told in text, and the same wherever chunks are cut."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.peers import Echo, Listener, read_exactly
from transports.virtual.clock import run_virtual
from transports.virtual.faults import BadFault, Direction, Fault, FaultKind, FaultPlan, Unit
from transports.virtual.injector import STORY_LIMIT, Injector, Story
from transports.virtual.memory import MemoryLine

BYTES = bytes(range(100))


def passed(text: str, data: bytes = BYTES, chunks: tuple[int, ...] = ()) -> bytes:
    """What arrives of the data, cut at the given places."""
    injector = Injector(FaultPlan.parse(text), Direction.DOWN, Story())
    marks = [0, *sorted(chunks), len(data)]
    out = bytearray()
    for start, end in pairwise(marks):
        for delivery in injector.pass_on(data[start:end]) if end > start else ():
            out += delivery.data
            if delivery.cut:
                return bytes(out)
    return bytes(out)


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("", BYTES),
        ("drop@10:3", BYTES[:10] + BYTES[13:]),
        ("drop@10;times=3;every=20", BYTES[:10] + BYTES[11:30] + BYTES[31:50] + BYTES[51:]),
        ("drop@10;times=2", BYTES[:10] + BYTES[11:20] + BYTES[21:]),
        ("drop@0", BYTES[1:]),
        ("duplicate@20:4", BYTES[:24] + BYTES[20:24] + BYTES[24:]),
        ("cut-link@50", BYTES[:50]),
        ("cut-link@0", b""),
        ("drop@3,drop@5 drop@7", BYTES[:3] + BYTES[4:5] + BYTES[6:7] + BYTES[8:]),
        ("delay@10=0.5", BYTES),
        ("drop@10;dir=up", BYTES),
        ("drop@200", BYTES),
        ("loss=1", b""),
        ("loss=0", BYTES),
    ],
)
def test_each_fault_does_what_its_text_says(text: str, arrives: bytes) -> None:
    assert passed(text) == arrives


def test_corruption_flips_exactly_one_bit() -> None:
    bent = passed("corrupt@33")
    differing = [(a ^ b).bit_count() for a, b in zip(bent, BYTES, strict=True)]
    assert differing == [0] * 33 + [1] + [0] * 66


def test_noise_is_the_same_for_the_same_seed_and_of_the_size_asked_for() -> None:
    data = bytes(100_000)
    one, again, other = (passed(f"noise=0.01;seed={seed}", data) for seed in (7, 7, 8))
    assert one == again != other
    assert 800 < sum(byte != 0 for byte in one) < 1200


@given(
    st.sampled_from(
        [
            "drop@10:7",
            "corrupt@3:90",
            "duplicate@20:4;times=3;every=11",
            "noise=0.2;seed=3",
            "cut-link@77",
            "delay@5=1",
        ]
    ),
    st.lists(st.integers(0, 100), max_size=12),
)
def test_the_same_bytes_get_the_same_fate_however_they_are_cut(text: str, places: list[int]) -> None:
    assert passed(text, chunks=tuple(places)) == passed(text)


@given(st.integers(0, 30), st.integers(1, 9), st.integers(1, 4), st.integers(0, 20), st.integers(0, 150))
def test_the_next_hit_is_the_first_one(at: int, length: int, times: int, every: int, position: int) -> None:
    fault = Fault(FaultKind.DROP, at=at, length=length, times=times, every=every)
    hits = [p for p in range(position, 400) if fault.hits(p) is not None]
    assert fault.next_hit(position) == (hits[0] if hits else None)


def test_chunks_can_be_counted_instead_of_bytes() -> None:
    assert passed("drop@1;unit=chunk", chunks=(10, 20)) == BYTES[:10] + BYTES[20:]
    assert passed("duplicate@2;unit=chunk", chunks=(10, 90)) == BYTES + BYTES[90:]


FAULTS = st.one_of(
    st.builds(
        Fault,
        st.sampled_from([FaultKind.DROP, FaultKind.CORRUPT, FaultKind.DUPLICATE]),
        at=st.integers(0, 10**9),
        length=st.integers(1, 10**6),
        direction=st.sampled_from(Direction),
        unit=st.sampled_from(Unit),
        times=st.integers(1, 99),
        every=st.integers(0, 99),
    ),
    st.builds(
        Fault, st.just(FaultKind.DELAY), at=st.integers(0, 99), amount=st.sampled_from([0.0, 0.25, 1.5, 30.0])
    ),
    st.builds(
        Fault, st.just(FaultKind.CUT_LINK), at=st.integers(0, 99), direction=st.sampled_from(Direction)
    ),
    st.builds(
        Fault,
        st.sampled_from([FaultKind.NOISE, FaultKind.LOSS]),
        amount=st.sampled_from([0.0, 0.001, 0.05, 1.0]),
        seed=st.integers(0, 10**6),
    ),
)


@given(st.lists(FAULTS, max_size=4).map(tuple).map(FaultPlan))
def test_a_plan_is_its_text_and_back(plan: FaultPlan) -> None:
    assert FaultPlan.parse(str(plan)) == plan


@given(st.text(max_size=40))
def test_any_text_is_a_plan_or_a_bad_fault(text: str) -> None:
    try:
        plan = FaultPlan.parse(text)
    except BadFault:
        return
    assert FaultPlan.parse(str(plan)) == plan


@pytest.mark.parametrize(
    "text",
    ["explode@3", "drop", "drop@x", "drop@3=1", "noise", "noise=2", "noise@3=0.1", "delay@3", "drop@3:0",
     "drop@3;times=0", "drop@3;dir=left", "drop@3;color=red", "cut-link@3;unit=chunk", "loss=0.1;seed=x",
     "drop@１", "noise=nan", "delay@1=1e9"],
)  # fmt: skip
def test_a_text_that_is_no_fault_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(BadFault) as caught:
        FaultPlan.parse(text)
    assert "cut-link@4096" in caught.value.what_to_do


def test_a_delay_holds_up_all_that_follows() -> None:
    async def main() -> list[tuple[bytes, float]]:
        loop = asyncio.get_running_loop()
        node = Listener()
        link = await MemoryLine(node, faults="delay@2=0.5").open()
        await link.write(b"abcd")
        await link.write(b"ef")
        return [(await node.hears(count), loop.time()) for count in (2, 6)]

    assert run_virtual(main()) == [(b"ab", 0.0), (b"abcdef", 0.5)]


def test_faults_on_the_way_up_leave_the_way_down_alone() -> None:
    async def main() -> tuple[bytes, bytes, list[str]]:
        node = Echo()
        line = MemoryLine(node, faults="drop@1;dir=up")
        link = await line.open()
        await link.write(b"abc")
        return await read_exactly(link, 2), bytes(node.heard), line.story

    assert run_virtual(main()) == (b"ac", b"abc", ["drop@1;dir=up: up at byte 1"])


def test_a_story_of_noise_stays_short() -> None:
    story = Story()
    injector = Injector(FaultPlan.parse("noise=1"), Direction.DOWN, story)
    injector.pass_on(bytes(5000))
    assert (len(story.lines), story.untold) == (STORY_LIMIT, 4000)
